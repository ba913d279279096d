package main

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// RelocateVMTask moves a machine with its files; the simulator leaves the files, and the lists of what is where.
func (m *machines) RelocateVMTask(ctx *simulator.Context, req *types.RelocateVM_Task) soap.HasFault {
	vm := machine(ctx, req.This)
	for _, ref := range []*types.ManagedObjectReference{req.Spec.Pool, req.Spec.Host, req.Spec.Datastore} {
		if ref != nil && ctx.Map.Get(*ref) == nil {
			return &methods.RelocateVM_TaskBody{Fault_: simulator.Fault("", missing(*ref))}
		}
	}
	ref := m.task(ctx, vm, "relocate", "RelocateVM_Task", func() (types.AnyType, types.BaseMethodFault) {
		return nil, m.relocate(ctx, vm, &req.Spec)
	})
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{Returnval: ref}}
}

// relocate checks that everything fits together, and moves; the caller holds the machine's lock.
func (m *machines) relocate(
	ctx *simulator.Context, vm *simulator.VirtualMachine, spec *types.VirtualMachineRelocateSpec,
) types.BaseMethodFault {
	host := vm.Runtime.Host
	if spec.Host != nil {
		host = spec.Host
		if *host != *vm.Runtime.Host {
			if fault := usable(ctx, *host); fault != nil {
				return fault
			}
		}
	}
	if fault := usable(ctx, *vm.Runtime.Host); spec.Host != nil && fault != nil {
		if _, gone := fault.(*types.HostNotConnected); gone {
			return fault
		}
	}
	pool := vm.ResourcePool
	if spec.Pool != nil {
		pool = spec.Pool
	}
	if pool != nil && owner(ctx, *pool) != parent(ctx, *host) {
		return &types.InvalidArgument{InvalidProperty: "spec.pool"}
	}
	store := vm.Datastore[0]
	if spec.Datastore != nil {
		store = *spec.Datastore
	}
	if !slices.Contains(ctx.Map.Get(*host).(*simulator.HostSystem).Datastore, store) {
		return &types.InvalidDatastore{Datastore: &store}
	}
	m.move(ctx, vm, *host, pool, store)
	m.policies.place(vm.Self, spec)
	return nil
}

func (m *machines) move(
	ctx *simulator.Context, vm *simulator.VirtualMachine, host types.ManagedObjectReference,
	pool *types.ManagedObjectReference, store types.ManagedObjectReference,
) {
	changes := []types.PropertyChange{
		{Name: "runtime.host", Val: &host}, {Name: "summary.runtime.host", Val: &host},
		{Name: "datastore", Val: []types.ManagedObjectReference{store}},
	}
	if pool != nil {
		changes = append(changes, types.PropertyChange{Name: "resourcePool", Val: pool})
	}
	if before := vm.Datastore[0]; before != store {
		name := func(ref types.ManagedObjectReference) string { return ctx.Map.Get(ref).(*simulator.Datastore).Name }
		there := func(file string) string { return strings.Replace(file, "["+name(before)+"]", "["+name(store)+"]", 1) }
		devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
		var moved []types.BaseVirtualDevice
		for _, device := range devices {
			device = copyDevice(device)
			if disk, ok := device.(*types.VirtualDisk); ok {
				if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
					backing.Datastore, backing.FileName = &store, there(backing.FileName)
				}
			}
			moved = append(moved, device)
		}
		changes = append(changes, types.PropertyChange{Name: "config.hardware.device", Val: moved})
	}
	ctx.Update(vm, changes)
}

// owner is the compute resource that a pool is of.
func owner(ctx *simulator.Context, pool types.ManagedObjectReference) types.ManagedObjectReference {
	if found, ok := ctx.Map.Get(pool).(*simulator.ResourcePool); ok {
		return found.Owner
	}
	return types.ManagedObjectReference{}
}

func parent(ctx *simulator.Context, host types.ManagedObjectReference) types.ManagedObjectReference {
	return *ctx.Map.Get(host).(*simulator.HostSystem).Parent
}

// MoveIntoFolderTask refuses a name that the folder has already.
func (m *machines) MoveIntoFolderTask(ctx *simulator.Context, req *types.MoveIntoFolder_Task) soap.HasFault {
	folder, ok := ctx.Map.Get(req.This).(*simulator.Folder)
	if !ok {
		return &methods.MoveIntoFolder_TaskBody{Fault_: simulator.Fault("", missing(req.This))}
	}
	ref := m.task(ctx, folder, "moveInto", "MoveIntoFolder_Task", func() (types.AnyType, types.BaseMethodFault) {
		for _, ref := range req.List {
			entity, ok := ctx.Map.Get(ref).(mo.Entity)
			if !ok {
				return nil, missing(ref)
			}
			if fault := taken(ctx, folder, entity.Entity().Name, ref); fault != nil {
				return nil, fault
			}
		}
		res := folder.MoveIntoFolderTask(ctx, req)
		_, fault := m.feed.await(ctx, res.(*methods.MoveIntoFolder_TaskBody).Res.Returnval)
		return nil, fault
	})
	return &methods.MoveIntoFolder_TaskBody{Res: &types.MoveIntoFolder_TaskResponse{Returnval: ref}}
}
