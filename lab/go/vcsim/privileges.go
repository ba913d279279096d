package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// need is a privilege that a call requires on an object ("Required Privileges" in the API reference).
type need struct {
	entity    types.ManagedObjectReference
	privilege string
}

// privilegeOf lists the methods that need one privilege, on the object that is called.
var privilegeOf = map[string]string{
	"CreateFolder":                "Folder.Create",
	"CreateVM_Task":               "VirtualMachine.Inventory.Create",
	"RegisterVM_Task":             "VirtualMachine.Inventory.Register",
	"UnregisterVM":                "VirtualMachine.Inventory.Unregister",
	"PowerOnVM_Task":              "VirtualMachine.Interact.PowerOn",
	"PowerOffVM_Task":             "VirtualMachine.Interact.PowerOff",
	"ShutdownGuest":               "VirtualMachine.Interact.PowerOff",
	"SuspendVM_Task":              "VirtualMachine.Interact.Suspend",
	"StandbyGuest":                "VirtualMachine.Interact.Suspend",
	"ResetVM_Task":                "VirtualMachine.Interact.Reset",
	"RebootGuest":                 "VirtualMachine.Interact.Reset",
	"CreateSnapshot_Task":         "VirtualMachine.State.CreateSnapshot",
	"CreateSnapshotEx_Task":       "VirtualMachine.State.CreateSnapshot",
	"RemoveAllSnapshots_Task":     "VirtualMachine.State.RemoveSnapshot",
	"MigrateVM_Task":              "Resource.ColdMigrate",
	"MarkAsTemplate":              "VirtualMachine.Provisioning.MarkAsTemplate",
	"MarkAsVirtualMachine":        "VirtualMachine.Provisioning.MarkAsVM",
	"CustomizeVM_Task":            "VirtualMachine.Provisioning.Customize",
	"UpgradeVM_Task":              "VirtualMachine.Config.UpgradeVirtualHardware",
	"SetCustomValue":              "Global.SetCustomField",
	"AddCustomFieldDef":           "Global.ManageCustomFields",
	"AddDVPortgroup_Task":         "DVPortgroup.Create",
	"CreateDVPortgroup_Task":      "DVPortgroup.Create",
	"ReconfigureDVPortgroup_Task": "DVPortgroup.Modify",
	"CreateVirtualDisk_Task":      "Datastore.FileManagement",
	"DeleteVirtualDisk_Task":      "Datastore.FileManagement",
	"DeleteDatastoreFile_Task":    "Datastore.FileManagement",
	"AttachDisk_Task":             "VirtualMachine.Config.AddExistingDisk",
	"DetachDisk_Task":             "VirtualMachine.Config.RemoveDisk",
}

func needs(ctx *simulator.Context, method *simulator.Method) []need {
	switch req := method.Body.(type) {
	case *types.CloneVM_Task:
		return cloneNeeds(ctx, req)
	case *types.ReconfigVM_Task:
		return configNeeds(req.This, &req.Spec)
	case *types.Destroy_Task:
		return destroyNeeds(ctx, req.This)
	case *types.RelocateVM_Task:
		return relocateNeeds(ctx, req)
	case *types.CreateDisk_Task:
		if backing := req.Spec.BackingSpec; backing != nil {
			return onDatastore(backing.GetVslmCreateSpecBackingSpec().Datastore)
		}
	case *types.ExtendDisk_Task:
		return onDatastore(req.Datastore)
	case *types.DeleteVStorageObject_Task:
		return onDatastore(req.Datastore)
	case *types.RenameVStorageObject:
		return onDatastore(req.Datastore)
	case *types.SetVStorageObjectControlFlags:
		return onDatastore(req.Datastore)
	case *types.ClearVStorageObjectControlFlags:
		return onDatastore(req.Datastore)
	case *types.UpdateVStorageObjectPolicy_Task:
		return onDatastore(req.Datastore)
	case *types.VCenterUpdateVStorageObjectMetadataEx_Task:
		return onDatastore(req.Datastore)
	case *types.VStorageObjectCreateSnapshot_Task:
		return onDatastore(req.Datastore)
	case *types.DeleteSnapshot_Task:
		return onDatastore(req.Datastore)
	case *types.CreateDiskFromSnapshot_Task:
		return onDatastore(req.Datastore)
	case *types.RemoveSnapshot_Task:
		return onMachineOf(ctx, req.This, "RemoveSnapshot")
	case *types.RenameSnapshot:
		return onMachineOf(ctx, req.This, "RenameSnapshot")
	case *types.RevertToSnapshot_Task:
		return onMachineOf(ctx, req.This, "RevertToSnapshot")
	case *types.AddPortGroup:
		return onHostOf(ctx, req.This)
	case *types.UpdatePortGroup:
		return onHostOf(ctx, req.This)
	case *types.RemovePortGroup:
		return onHostOf(ctx, req.This)
	case *types.MoveIntoFolder_Task:
		return []need{{req.This, "VirtualMachine.Inventory.Move"}}
	case *types.Rename_Task:
		return renameNeeds(req.This)
	case *types.SetField:
		return []need{{req.Entity, "Global.SetCustomField"}}
	}
	if privilege, ok := privilegeOf[method.Name]; ok {
		return []need{{method.This, privilege}}
	}
	return nil
}

// onDatastore is what a change of a first-class disk needs.
func onDatastore(store types.ManagedObjectReference) []need {
	return []need{{store, "Datastore.FileManagement"}}
}

// onMachineOf is what a change of a snapshot needs on its machine.
func onMachineOf(ctx *simulator.Context, ref types.ManagedObjectReference, privilege string) []need {
	_, vm := snapshotOf(ctx, ref)
	if vm == nil {
		return nil
	}
	return []need{{vm.Self, "VirtualMachine.State." + privilege}}
}

// onHostOf is what a change of the networks of a host needs.
func onHostOf(ctx *simulator.Context, ref types.ManagedObjectReference) []need {
	system, ok := ctx.Map.Get(ref).(*simulator.HostNetworkSystem)
	if !ok {
		return nil
	}
	return []need{{hostOf(ctx, system).Self, "Host.Config.Network"}}
}

func cloneNeeds(ctx *simulator.Context, req *types.CloneVM_Task) []need {
	source := "VirtualMachine.Provisioning."
	vm, ok := ctx.Map.Get(req.This).(*simulator.VirtualMachine)
	switch template := ok && vm.Config.Template; {
	case template && req.Spec.Template:
		source += "CloneTemplate"
	case template:
		source += "DeployTemplate"
	case req.Spec.Template:
		source += "CreateTemplateFromVM"
	default:
		source += "Clone"
	}
	result := []need{{req.This, source}, {req.Folder, "VirtualMachine.Inventory.CreateFromExisting"}}
	if pool := req.Spec.Location.Pool; pool != nil {
		result = append(result, need{*pool, "Resource.AssignVMToPool"})
	}
	if store := req.Spec.Location.Datastore; store != nil {
		result = append(result, need{*store, "Datastore.AllocateSpace"})
	}
	if req.Spec.Config != nil {
		result = append(result, configNeeds(req.Folder, req.Spec.Config)...)
	}
	if req.Spec.PowerOn {
		result = append(result, need{req.Folder, "VirtualMachine.Interact.PowerOn"})
	}
	return result
}

func relocateNeeds(ctx *simulator.Context, req *types.RelocateVM_Task) []need {
	migrate := "Resource.ColdMigrate"
	if vm := machine(ctx, req.This); vm != nil && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		migrate = "Resource.HotMigrate"
	}
	result := []need{{req.This, migrate}}
	if pool := req.Spec.Pool; pool != nil {
		result = append(result, need{*pool, "Resource.AssignVMToPool"})
	}
	if store := req.Spec.Datastore; store != nil {
		result = append(result, need{*store, "Datastore.AllocateSpace"})
	}
	return result
}

func configNeeds(entity types.ManagedObjectReference, spec *types.VirtualMachineConfigSpec) []need {
	var result []need
	when := func(changed bool, privilege string) {
		if changed {
			result = append(result, need{entity, "VirtualMachine.Config." + privilege})
		}
	}
	when(spec.NumCPUs != 0 || spec.NumCoresPerSocket != nil, "CPUCount")
	when(spec.MemoryMB != 0, "Memory")
	when(spec.Name != "", "Rename")
	when(spec.Annotation != "", "Annotation")
	when(len(spec.ExtraConfig) > 0, "AdvancedConfig")
	when(spec.GuestId != "" || spec.InstanceUuid != "" || spec.Uuid != "" || spec.BootOptions != nil, "Settings")
	when(spec.CpuHotAddEnabled != nil, "CPUCount")
	when(spec.MemoryHotAddEnabled != nil, "Memory")
	for _, item := range spec.DeviceChange {
		change := item.GetVirtualDeviceConfigSpec()
		if network := networkOf(change.Device); network != nil &&
			change.Operation != types.VirtualDeviceConfigSpecOperationRemove {
			result = append(result, need{*network, "Network.Assign"})
		}
		_, disk := change.Device.(*types.VirtualDisk)
		switch change.Operation {
		case types.VirtualDeviceConfigSpecOperationAdd:
			when(disk, "AddNewDisk")
			when(!disk, "AddRemoveDevice")
		case types.VirtualDeviceConfigSpecOperationRemove:
			when(disk, "RemoveDisk")
			when(!disk, "AddRemoveDevice")
		default:
			when(disk, "DiskExtend")
			when(!disk, "EditDevice")
		}
	}
	return result
}

// networkOf is what a card is to be connected to.
func networkOf(device types.BaseVirtualDevice) *types.ManagedObjectReference {
	card, ok := device.(types.BaseVirtualEthernetCard)
	if !ok {
		return nil
	}
	switch backing := card.GetVirtualEthernetCard().Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		return backing.Network
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		return &types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: backing.Port.PortgroupKey}
	}
	return nil
}

func destroyNeeds(ctx *simulator.Context, entity types.ManagedObjectReference) []need {
	switch entity.Type {
	case "VirtualMachine":
		return []need{{entity, "VirtualMachine.Inventory.Delete"}}
	case "VirtualApp":
		return vappNeeds(ctx, entity)
	case "Folder":
		return []need{{entity, "Folder.Delete"}}
	case "DistributedVirtualPortgroup":
		return []need{{entity, "DVPortgroup.Delete"}}
	}
	return []need{{entity, "Host.Config.Maintenance"}}
}

func renameNeeds(entity types.ManagedObjectReference) []need {
	if entity.Type == "VirtualMachine" {
		return []need{{entity, "VirtualMachine.Config.Rename"}}
	}
	return []need{{entity, entity.Type + ".Rename"}}
}
