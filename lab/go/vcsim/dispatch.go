package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

var serviceInstance = vim25.ServiceInstance

// dispatcher sees every call first: it refuses what the user may not do, and sends some calls to the lab's objects.
type dispatcher struct {
	accounts  *accounts
	machines  *machines
	disks     *disks
	networks  *networks
	fields    *fields
	authority *authority
	protected *protected
}

// A wrapper around a VirtualMachine would not do: the simulator's code expects its own type in the registry.
var redirected = map[string]map[string]bool{
	"VirtualMachine": {
		"CloneVM_Task": true, "ReconfigVM_Task": true, "Rename_Task": true, "RelocateVM_Task": true,
		"MarkAsTemplate": true, "MarkAsVirtualMachine": true, "ShutdownGuest": true,
		"AttachDisk_Task": true, "DetachDisk_Task": true, "CreateSnapshot_Task": true,
	},
	"VirtualMachineSnapshot": {
		"RemoveSnapshot_Task": true, "RenameSnapshot": true, "RevertToSnapshot_Task": true,
	},
	"DistributedVirtualSwitch":    {"CreateDVPortgroup_Task": true},
	"DistributedVirtualPortgroup": {"ReconfigureDVPortgroup_Task": true},
	"HostNetworkSystem":           {"AddPortGroup": true, "UpdatePortGroup": true, "RemovePortGroup": true},
	"CustomFieldsManager":         {"AddCustomFieldDef": true, "SetField": true},
	"VcenterVStorageObjectManager": {
		"CreateDisk_Task": true, "ListVStorageObject": true, "RetrieveVStorageObject": true,
		"RenameVStorageObject": true, "SetVStorageObjectControlFlags": true, "ExtendDisk_Task": true,
		"ClearVStorageObjectControlFlags": true,
		"UpdateVStorageObjectPolicy_Task": true, "VCenterUpdateVStorageObjectMetadataEx_Task": true,
		"DeleteVStorageObject_Task": true, "VStorageObjectCreateSnapshot_Task": true,
		"RetrieveSnapshotInfo": true, "DeleteSnapshot_Task": true, "CreateDiskFromSnapshot_Task": true,
	},
	"Folder": {"CreateVM_Task": true, "MoveIntoFolder_Task": true},
	"AuthorizationManager": {
		"HasPrivilegeOnEntities": true, "HasPrivilegeOnEntity": true,
		"HasUserPrivilegeOnEntities": true, "FetchUserPrivilegeOnEntities": true,
	},
}

func (d dispatcher) dispatch(
	ctx *simulator.Context, method *simulator.Method,
) (mo.Reference, types.BaseMethodFault) {
	if fault := d.accounts.check(ctx, method); fault != nil {
		return nil, fault
	}
	if method.Name == "Destroy_Task" && d.protected.has(method.This) {
		return nil, &types.MethodDisabled{Source: protector}
	}
	if method.Name == "Destroy_Task" {
		if fault := d.networks.prepareDestroy(ctx, method.This); fault != nil {
			return nil, fault
		}
	}
	if req, ok := method.Body.(*types.SetField); ok && ctx.Map.Get(req.Entity) == nil {
		// The simulator would panic, and keep the lock of its CustomFieldsManager for ever.
		return nil, missing(req.Entity)
	}
	if !redirected[method.This.Type][method.Name] || ctx.Map.Get(method.This) == nil {
		return nil, nil
	}
	var target mo.Reference = d.machines
	switch method.This.Type {
	case "AuthorizationManager":
		target = d.authority
	case "VcenterVStorageObjectManager":
		target = d.disks
	case "DistributedVirtualSwitch", "DistributedVirtualPortgroup", "HostNetworkSystem":
		target = d.networks
	case "CustomFieldsManager":
		target = d.fields
	}
	// The simulator looks the called object up again by its reference; the request itself keeps the real one.
	method.This = target.Reference()
	return target, nil
}

// resident is embedded by the lab's own objects. The simulator expects every object to have a managed object's fields
// first; no client ever sees these.
type resident struct {
	mo.ExtensibleManagedObject
}

func newResident(name string) resident {
	var r resident
	r.Self = labReference(name)
	return r
}

// labReference names one of the lab's own objects.
func labReference(name string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Lab", Value: "lab-" + name}
}

// unlocked is embedded by objects that many calls use at once: the simulator takes no lock for them.
type unlocked struct{}

func (*unlocked) Lock() {}

func (*unlocked) Unlock() {}
