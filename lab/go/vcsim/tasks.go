package main

import (
	"fmt"
	"log"
	"runtime/debug"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// methodOf names the methods behind the simulator's tasks; the other tasks have the method's name without "_Task".
// pyvmomi's WaitForTask fails on names that are not methods. Empty are those that only the lab's own tasks start.
var methodOf = map[string]string{
	"PowerOn":        "PowerOnVM_Task",
	"PowerOff":       "PowerOffVM_Task",
	"Suspend":        "SuspendVM_Task",
	"Reset":          "ResetVM_Task",
	"RelocateVm":     "RelocateVM_Task",
	"CustomizeVm":    "CustomizeVM_Task",
	"UpgradeVm":      "UpgradeVM_Task",
	"RevertSnapshot": "RevertToCurrentSnapshot_Task",
	"ShutdownGuest":  "ShutdownGuest",
	"StandbyGuest":   "StandbyGuest",
	"CreateVm":       "",
	"ReconfigVm":     "",
	"CreateDisk":     "",
	"DeleteDisk":     "",
	"AddDVPortgroup": "",
}

// taskTexts gives tasks the names, and their faults the sentences, of a vCenter.
type taskTexts struct {
	resident
}

// PutObject names a new task after its method, and guards its work.
func (t *taskTexts) PutObject(ctx *simulator.Context, o mo.Reference) {
	task, ok := o.(*simulator.Task)
	if !ok {
		return
	}
	task.Execute = guarded(ctx.Map, task.Execute)
	if strings.HasSuffix(task.Info.Name, "_Task") {
		return
	}
	name, known := methodOf[task.Info.Name]
	if !known {
		name = task.Info.Name + "_Task"
	}
	task.Info.Name = name
}

type work = func(*simulator.Task) (types.AnyType, types.BaseMethodFault)

// guarded is a task's work that fails when its machine was destroyed while it waited, and that cannot end the server:
// the simulator counts on what it finds.
func guarded(registry *simulator.Registry, execute work) work {
	return func(task *simulator.Task) (result types.AnyType, fault types.BaseMethodFault) {
		defer func() {
			if reason := recover(); reason != nil {
				log.Printf("%s: %v\n%s", task.Info.Name, reason, debug.Stack())
				result, fault = nil, &types.SystemError{Reason: fmt.Sprint(reason)}
			}
		}()
		if on := *task.Info.Entity; on.Type == "VirtualMachine" && registry.Get(on) == nil {
			return nil, missing(on)
		}
		result, fault = execute(task)
		return result, proper(fault)
	}
}

// proper is a fault that can be sent: the simulator has some under names that clients do not know.
func proper(fault types.BaseMethodFault) types.BaseMethodFault {
	switch f := fault.(type) {
	case *types.AlreadyUpgradedFault:
		same := types.AlreadyUpgraded(*f)
		return &same
	case *types.InvalidPowerStateFault:
		same := types.InvalidPowerState(*f)
		return &same
	case *types.NotSupported:
		f.FaultCause = nil // of a kind that clients do not know either
	}
	return fault
}

// RemoveObject does nothing.
func (t *taskTexts) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}

// UpdateObject words the fault of a task that has just failed: the simulator has the name of a Go type.
func (t *taskTexts) UpdateObject(_ *simulator.Context, o mo.Reference, _ []types.PropertyChange) {
	task, ok := o.(*mo.Task)
	if ok && task.Info.Error != nil && strings.HasPrefix(task.Info.Error.LocalizedMessage, "*types.") {
		task.Info.Error.LocalizedMessage = faultText(task.Info.Error.Fault)
	}
}

func faultText(fault types.BaseMethodFault) string {
	switch f := fault.(type) {
	case *types.InvalidPowerState:
		state := map[types.VirtualMachinePowerState]string{
			types.VirtualMachinePowerStatePoweredOn:  "Powered on",
			types.VirtualMachinePowerStatePoweredOff: "Powered off",
			types.VirtualMachinePowerStateSuspended:  "Suspended",
		}[f.ExistingState]
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", state)
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", f.Name)
	case *types.InvalidDeviceOperation:
		return fmt.Sprintf("Invalid operation for device '%d'.", f.DeviceIndex)
	case *types.InvalidDeviceSpec:
		return fmt.Sprintf("Invalid configuration for device '%d'.", f.DeviceIndex)
	case *types.InvalidArgument:
		return fmt.Sprintf("A specified parameter was not correct: %s", f.InvalidProperty)
	case *types.ConcurrentAccess:
		return "The operation cannot complete because of concurrent modification by another operation."
	case *types.CpuHotPlugNotSupported:
		return "CPU hot plug is not supported for this virtual machine."
	case *types.MemoryHotPlugNotSupported:
		return "Memory hot plug is not supported for this virtual machine."
	case *types.ManagedObjectNotFound:
		return fmt.Sprintf(
			"The object 'vim.%s:%s' has already been deleted or has not been completely created.", f.Obj.Type, f.Obj.Value,
		)
	case *types.HostNotConnected:
		return "Unable to communicate with the remote host, since it is disconnected."
	case *types.MethodDisabled:
		return fmt.Sprintf("The method is disabled by '%s'", f.Source)
	case *types.AlreadyUpgraded:
		return "The virtual machine version is already up-to-date."
	case *types.NotSupported:
		return "The operation is not supported on the object."
	case *types.ResourceInUse:
		return fmt.Sprintf("The resource '%s' is in use.", f.Name)
	case *types.NotFound:
		return "The object or item referred to could not be found."
	case *types.InvalidState:
		return "The operation is not allowed in the current state."
	}
	name := fmt.Sprintf("%T", fault)
	return "A general system error occurred: " + name[strings.LastIndex(name, ".")+1:]
}
