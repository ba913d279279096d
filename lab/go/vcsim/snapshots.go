package main

import (
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// A change of snapshots is made to a copy of the tree: what was sent to clients before is compared with it.
func freshTree(vm *simulator.VirtualMachine) {
	if vm.Snapshot == nil {
		return
	}
	info := *vm.Snapshot
	info.RootSnapshotList = copyTree(info.RootSnapshotList)
	vm.Snapshot = &info
}

func copyTree(tree []types.VirtualMachineSnapshotTree) []types.VirtualMachineSnapshotTree {
	result := slices.Clone(tree)
	for i := range result {
		result[i].ChildSnapshotList = copyTree(result[i].ChildSnapshotList)
	}
	return result
}

func inTree(
	tree []types.VirtualMachineSnapshotTree, ref types.ManagedObjectReference,
) *types.VirtualMachineSnapshotTree {
	for i := range tree {
		if tree[i].Snapshot == ref {
			return &tree[i]
		}
		if found := inTree(tree[i].ChildSnapshotList, ref); found != nil {
			return found
		}
	}
	return nil
}

// isRoot tells whether a snapshot builds on no other: one that is current then leaves the machine without a current one.
func isRoot(vm *simulator.VirtualMachine, ref types.ManagedObjectReference) bool {
	return slices.ContainsFunc(vm.Snapshot.RootSnapshotList, func(one types.VirtualMachineSnapshotTree) bool {
		return one.Snapshot == ref
	})
}

// CreateSnapshotTask passes over what the machine cannot give: memory while it is off, a quiet guest without tools.
func (m *machines) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	vm := machine(ctx, req.This)
	ref := m.task(ctx, vm, "createSnapshot", "CreateSnapshot_Task", func() (types.AnyType, types.BaseMethodFault) {
		if vm.Config.Template {
			return nil, new(types.NotSupported)
		}
		freshTree(vm)
		on := vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff
		given := &types.CreateSnapshot_Task{
			This: vm.Self, Name: req.Name, Description: req.Description, Memory: req.Memory && on,
			Quiesce: req.Quiesce && toolsRun(&vm.VirtualMachine),
		}
		if given.Quiesce && option(&vm.VirtualMachine, "lab.noQuiesce") != "" {
			return nil, new(types.FilesystemQuiesceFault)
		}
		res := vm.CreateSnapshotTask(ctx, given)
		result, fault := m.feed.await(ctx, res.(*methods.CreateSnapshot_TaskBody).Res.Returnval)
		m.feed.note(vm.Self, false)
		return result, fault
	})
	return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: ref}}
}

// snapshotOf is a snapshot and its machine.
func snapshotOf(
	ctx *simulator.Context, ref types.ManagedObjectReference,
) (*simulator.VirtualMachineSnapshot, *simulator.VirtualMachine) {
	snapshot, ok := ctx.Map.Get(ref).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return nil, nil
	}
	return snapshot, machine(ctx, snapshot.Vm)
}

// RemoveSnapshotTask merges a snapshot into what builds on it.
func (m *machines) RemoveSnapshotTask(ctx *simulator.Context, req *types.RemoveSnapshot_Task) soap.HasFault {
	snapshot, vm := snapshotOf(ctx, req.This)
	if vm == nil {
		return &methods.RemoveSnapshot_TaskBody{Fault_: simulator.Fault("", missing(req.This))}
	}
	ref := m.task(ctx, vm, "removeSnapshot", "RemoveSnapshot_Task", func() (types.AnyType, types.BaseMethodFault) {
		if ctx.Map.Get(snapshot.Self) == nil {
			return nil, missing(snapshot.Self)
		}
		freshTree(vm)
		if current := vm.Snapshot.CurrentSnapshot; current != nil && *current == snapshot.Self && isRoot(vm, snapshot.Self) {
			vm.Snapshot.CurrentSnapshot = nil
		}
		given := *req
		given.This = snapshot.Self
		res := snapshot.RemoveSnapshotTask(ctx, &given)
		_, fault := m.feed.await(ctx, res.(*methods.RemoveSnapshot_TaskBody).Res.Returnval)
		m.feed.note(vm.Self, false)
		return nil, fault
	})
	return &methods.RemoveSnapshot_TaskBody{Res: &types.RemoveSnapshot_TaskResponse{Returnval: ref}}
}

// RenameSnapshot gives a snapshot another name or description.
func (m *machines) RenameSnapshot(ctx *simulator.Context, req *types.RenameSnapshot) soap.HasFault {
	snapshot, vm := snapshotOf(ctx, req.This)
	if vm == nil {
		return &methods.RenameSnapshotBody{Fault_: simulator.Fault("", missing(req.This))}
	}
	ctx.WithLock(vm, func() {
		freshTree(vm)
		if found := inTree(vm.Snapshot.RootSnapshotList, snapshot.Self); found != nil {
			if req.Name != "" {
				found.Name = req.Name
			}
			if req.Description != "" {
				found.Description = req.Description
			}
		}
	})
	m.feed.note(vm.Self, false)
	return &methods.RenameSnapshotBody{Res: new(types.RenameSnapshotResponse)}
}

// RevertToSnapshotTask brings back configuration and power, too.
func (m *machines) RevertToSnapshotTask(ctx *simulator.Context, req *types.RevertToSnapshot_Task) soap.HasFault {
	snapshot, vm := snapshotOf(ctx, req.This)
	if vm == nil {
		return &methods.RevertToSnapshot_TaskBody{Fault_: simulator.Fault("", missing(req.This))}
	}
	ref := m.task(ctx, vm, "revertToSnapshot", "RevertToSnapshot_Task", func() (types.AnyType, types.BaseMethodFault) {
		freshTree(vm)
		found := inTree(vm.Snapshot.RootSnapshotList, snapshot.Self)
		if found == nil {
			return nil, missing(snapshot.Self)
		}
		config := snapshot.Config
		vm.Config.Hardware, vm.Config.ExtraConfig = config.Hardware, slices.Clone(config.ExtraConfig)
		if fault := m.power(ctx, vm, found.State); fault != nil {
			return nil, fault
		}
		current := snapshot.Self
		vm.Snapshot.CurrentSnapshot = &current
		m.feed.note(vm.Self, false)
		return nil, nil
	})
	return &methods.RevertToSnapshot_TaskBody{Res: &types.RevertToSnapshot_TaskResponse{Returnval: ref}}
}

// power switches a machine to a state; the caller holds its lock.
func (m *machines) power(
	ctx *simulator.Context, vm *simulator.VirtualMachine, wanted types.VirtualMachinePowerState,
) types.BaseMethodFault {
	if vm.Runtime.PowerState == wanted {
		return nil
	}
	var ref types.ManagedObjectReference
	if wanted == types.VirtualMachinePowerStatePoweredOn {
		res := vm.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: vm.Self})
		ref = res.(*methods.PowerOnVM_TaskBody).Res.Returnval
	} else {
		res := vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: vm.Self})
		ref = res.(*methods.PowerOffVM_TaskBody).Res.Returnval
	}
	_, fault := m.feed.await(ctx, ref)
	return fault
}

// scatter has a machine need consolidation, as after snapshots whose files could not be merged; or not any more.
func scatter(registry *simulator.Registry, id string, so bool) error {
	ctx := &simulator.Context{Map: registry}
	vm, ok := registry.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: id}).(*simulator.VirtualMachine)
	if !ok {
		return fmt.Errorf("there is no machine %s", id)
	}
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{{Name: "runtime.consolidationNeeded", Val: so}})
	})
	return nil
}
