package main

import (
	"slices"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// disks takes the calls about first-class disks: the simulator keeps no metadata with them, and has them in no machine.
type disks struct {
	resident
	unlocked
	feed     *feed
	policies *associations

	mu sync.Mutex // for all that the simulator's catalog holds
}

func newDisks(feed *feed, policies *associations) *disks {
	return &disks{resident: newResident("disks"), feed: feed, policies: policies}
}

func (d *disks) manager(ctx *simulator.Context) *simulator.VcenterVStorageObjectManager {
	return ctx.Map.VStorageObjectManager()
}

// find is a disk wherever it is, and its datastore; nil when there is none. The caller holds the lock.
func (d *disks) find(
	ctx *simulator.Context, id types.ID,
) (*simulator.VStorageObject, types.ManagedObjectReference) {
	for store, objects := range d.manager(ctx).Catalog() {
		if found, ok := objects[id]; ok {
			return found, store
		}
	}
	return nil, types.ManagedObjectReference{}
}

// at is a disk of a datastore. The caller holds the lock.
func (d *disks) at(ctx *simulator.Context, store types.ManagedObjectReference, id types.ID) *simulator.VStorageObject {
	return d.manager(ctx).Catalog()[store][id]
}

// task starts one of the lab's own tasks on a disk. It fails like a vCenter's when the disk is not there.
func (d *disks) task(
	ctx *simulator.Context, store types.ManagedObjectReference, id types.ID, name, method string,
	execute func(*simulator.VStorageObject) types.BaseMethodFault,
) types.ManagedObjectReference {
	entity := ctx.Map.Get(store)
	if entity == nil {
		entity = d.manager(ctx)
	}
	task := simulator.CreateTask(entity, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		d.mu.Lock()
		defer d.mu.Unlock()
		disk := d.at(ctx, store, id)
		if disk == nil {
			return nil, new(types.NotFound)
		}
		return nil, execute(disk)
	})
	task.Info.Name, task.Info.DescriptionId = method, describedDisk(name)
	return task.Run(ctx)
}

// describedDisk is what a vCenter calls a task on a first-class disk; which disk that is it does not tell.
func describedDisk(name string) string {
	return "vslm.vcenter.VStorageObjectManager." + name
}

// CreateDiskTask gives the disk its metadata, and refuses a datastore that is not there.
func (d *disks) CreateDiskTask(ctx *simulator.Context, req *types.CreateDisk_Task) soap.HasFault {
	backing, ok := req.Spec.BackingSpec.(*types.VslmCreateSpecDiskFileBackingSpec)
	if !ok {
		return &methods.CreateDisk_TaskBody{
			Fault_: simulator.Fault("", &types.InvalidArgument{InvalidProperty: "spec.backingSpec"}),
		}
	}
	store := ctx.Map.Get(backing.Datastore)
	if store == nil {
		return &methods.CreateDisk_TaskBody{Fault_: simulator.Fault("", missing(backing.Datastore))}
	}
	task := simulator.CreateTask(store, "createDisk", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if req.Spec.Name == "" || req.Spec.CapacityInMB <= 0 {
			return nil, &types.InvalidArgument{InvalidProperty: "spec"}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		given := *req
		given.This = d.manager(ctx).Self
		res := d.manager(ctx).CreateDiskTask(ctx, &given)
		result, fault := d.feed.await(ctx, res.(*methods.CreateDisk_TaskBody).Res.Returnval)
		if fault != nil {
			return nil, fault
		}
		made := result.(*types.VStorageObject)
		disk := d.at(ctx, backing.Datastore, made.Config.Id)
		disk.Metadata = slices.Clone(req.Spec.Metadata)
		d.policies.set(made.Config.Id.Id, req.Spec.Profile)
		return d.shown(disk), nil
	})
	task.Info.Name = "CreateDisk_Task"
	return &methods.CreateDisk_TaskBody{Res: &types.CreateDisk_TaskResponse{Returnval: task.Run(ctx)}}
}

// shown is a disk as a vCenter describes it, with its metadata.
func (d *disks) shown(disk *simulator.VStorageObject) types.VStorageObject {
	result := disk.VStorageObject
	result.Config.Metadata = slices.Clone(disk.Metadata)
	result.Config.ConsumerId = slices.Clone(disk.Config.ConsumerId)
	return result
}

// ListVStorageObject lists the disks of a datastore.
func (d *disks) ListVStorageObject(ctx *simulator.Context, req *types.ListVStorageObject) soap.HasFault {
	if ctx.Map.Get(req.Datastore) == nil {
		return &methods.ListVStorageObjectBody{Fault_: simulator.Fault("", missing(req.Datastore))}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.manager(ctx).ListVStorageObject(req)
}

// RetrieveVStorageObject describes a disk with its metadata.
func (d *disks) RetrieveVStorageObject(ctx *simulator.Context, req *types.RetrieveVStorageObject) soap.HasFault {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := d.at(ctx, req.Datastore, req.Id)
	if disk == nil {
		return &methods.RetrieveVStorageObjectBody{Fault_: simulator.Fault("", new(types.NotFound))}
	}
	return &methods.RetrieveVStorageObjectBody{
		Res: &types.RetrieveVStorageObjectResponse{Returnval: d.shown(disk)},
	}
}

// RenameVStorageObject gives a disk another name.
func (d *disks) RenameVStorageObject(ctx *simulator.Context, req *types.RenameVStorageObject) soap.HasFault {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := d.at(ctx, req.Datastore, req.Id)
	if disk == nil {
		return &methods.RenameVStorageObjectBody{Fault_: simulator.Fault("", new(types.NotFound))}
	}
	disk.Config.Name = req.Name
	return &methods.RenameVStorageObjectBody{Res: new(types.RenameVStorageObjectResponse)}
}

// SetVStorageObjectControlFlags sets what the lab knows of them: that a disk stays when its machine is deleted.
func (d *disks) SetVStorageObjectControlFlags(
	ctx *simulator.Context, req *types.SetVStorageObjectControlFlags,
) soap.HasFault {
	return &methods.SetVStorageObjectControlFlagsBody{
		Fault_: d.keep(ctx, req.Datastore, req.Id, req.ControlFlags, true),
		Res:    new(types.SetVStorageObjectControlFlagsResponse),
	}
}

// ClearVStorageObjectControlFlags clears it.
func (d *disks) ClearVStorageObjectControlFlags(
	ctx *simulator.Context, req *types.ClearVStorageObjectControlFlags,
) soap.HasFault {
	return &methods.ClearVStorageObjectControlFlagsBody{
		Fault_: d.keep(ctx, req.Datastore, req.Id, req.ControlFlags, false),
		Res:    new(types.ClearVStorageObjectControlFlagsResponse),
	}
}

func (d *disks) keep(
	ctx *simulator.Context, store types.ManagedObjectReference, id types.ID, flags []string, on bool,
) *soap.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := d.at(ctx, store, id)
	if disk == nil {
		return simulator.Fault("", new(types.NotFound))
	}
	if slices.Contains(flags, string(types.VslmVStorageObjectControlFlagKeepAfterDeleteVm)) {
		disk.Config.KeepAfterDeleteVm = types.NewBool(on)
	}
	return nil
}

// ExtendDiskTask grows a disk that no running machine has; none shrinks.
func (d *disks) ExtendDiskTask(ctx *simulator.Context, req *types.ExtendDisk_Task) soap.HasFault {
	ref := d.task(ctx, req.Datastore, req.Id, "extendDisk", "ExtendDisk_Task",
		func(disk *simulator.VStorageObject) types.BaseMethodFault {
			if req.NewCapacityInMB < disk.Config.CapacityInMB {
				return &types.InvalidArgument{InvalidProperty: "newCapacityInMB"}
			}
			if len(disk.Config.ConsumerId) > 0 {
				return new(types.InvalidState)
			}
			disk.Config.CapacityInMB = req.NewCapacityInMB
			return nil
		})
	return &methods.ExtendDisk_TaskBody{Res: &types.ExtendDisk_TaskResponse{Returnval: ref}}
}

// UpdateVStorageObjectPolicyTask gives a disk another storage policy.
func (d *disks) UpdateVStorageObjectPolicyTask(
	ctx *simulator.Context, req *types.UpdateVStorageObjectPolicy_Task,
) soap.HasFault {
	ref := d.task(ctx, req.Datastore, req.Id, "updatePolicy", "UpdateVStorageObjectPolicy_Task",
		func(*simulator.VStorageObject) types.BaseMethodFault {
			d.policies.set(req.Id.Id, req.Profile)
			return nil
		})
	return &methods.UpdateVStorageObjectPolicy_TaskBody{
		Res: &types.UpdateVStorageObjectPolicy_TaskResponse{Returnval: ref},
	}
}

// VCenterUpdateVStorageObjectMetadataExTask sets and removes metadata; the simulator loses what it has just set anew.
func (d *disks) VCenterUpdateVStorageObjectMetadataExTask(
	ctx *simulator.Context, req *types.VCenterUpdateVStorageObjectMetadataEx_Task,
) soap.HasFault {
	ref := d.task(ctx, req.Datastore, req.Id, "updateVStorageObjectMetadataEx",
		"VCenterUpdateVStorageObjectMetadataEx_Task", func(disk *simulator.VStorageObject) types.BaseMethodFault {
			kept := slices.DeleteFunc(slices.Clone(disk.Metadata), func(pair types.KeyValue) bool {
				return slices.Contains(req.DeleteKeys, pair.Key) ||
					slices.ContainsFunc(req.Metadata, func(other types.KeyValue) bool { return other.Key == pair.Key })
			})
			disk.Metadata = append(kept, req.Metadata...)
			return nil
		})
	return &methods.VCenterUpdateVStorageObjectMetadataEx_TaskBody{
		Res: &types.VCenterUpdateVStorageObjectMetadataEx_TaskResponse{Returnval: ref},
	}
}

// DeleteVStorageObjectTask refuses a disk that a machine has, and one that is not there.
func (d *disks) DeleteVStorageObjectTask(ctx *simulator.Context, req *types.DeleteVStorageObject_Task) soap.HasFault {
	ref := d.task(ctx, req.Datastore, req.Id, "deleteVStorageObject", "DeleteVStorageObject_Task",
		func(disk *simulator.VStorageObject) types.BaseMethodFault {
			if len(disk.Config.ConsumerId) > 0 {
				return new(types.InvalidState)
			}
			given := *req
			given.This = d.manager(ctx).Self
			res := d.manager(ctx).DeleteVStorageObjectTask(ctx, &given)
			_, fault := d.feed.await(ctx, res.(*methods.DeleteVStorageObject_TaskBody).Res.Returnval)
			d.policies.drop(req.Id.Id)
			return fault
		})
	return &methods.DeleteVStorageObject_TaskBody{
		Res: &types.DeleteVStorageObject_TaskResponse{Returnval: ref},
	}
}

// take gives a disk to a machine. The caller holds no lock of disks.
func (d *disks) take(
	ctx *simulator.Context, vm *simulator.VirtualMachine, store types.ManagedObjectReference, id types.ID,
) (*simulator.VStorageObject, types.BaseMethodFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := d.at(ctx, store, id)
	if disk == nil {
		return nil, new(types.NotFound)
	}
	if len(disk.Config.ConsumerId) > 0 {
		return nil, new(types.FileLocked)
	}
	disk.Config.ConsumerId = []types.ID{{Id: vm.Config.Uuid}}
	return disk, nil
}

// release lets a disk go, with its files when they were deleted with the device.
func (d *disks) release(ctx *simulator.Context, id types.ID, destroyed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk, store := d.find(ctx, id)
	if disk == nil {
		return
	}
	disk.Config.ConsumerId = nil
	if destroyed {
		delete(d.manager(ctx).Catalog()[store], id)
		d.policies.drop(id.Id)
	}
}

// grown takes over the size of a disk that was changed as a device.
func (d *disks) grown(ctx *simulator.Context, device *types.VirtualDisk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if disk, _ := d.find(ctx, *device.VDiskId); disk != nil {
		disk.Config.CapacityInMB = device.CapacityInBytes >> 20
	}
}

// keeps tells whether a disk stays when its machine is deleted.
func (d *disks) keeps(ctx *simulator.Context, id types.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk, _ := d.find(ctx, id)
	return disk != nil && disk.Config.KeepAfterDeleteVm != nil && *disk.Config.KeepAfterDeleteVm
}

// AttachDiskTask adds the device, which the simulator does not.
func (m *machines) AttachDiskTask(ctx *simulator.Context, req *types.AttachDisk_Task) soap.HasFault {
	vm := machine(ctx, req.This)
	ref := m.task(ctx, vm, "attachDisk", "AttachDisk_Task", func() (types.AnyType, types.BaseMethodFault) {
		disk, fault := m.disks.take(ctx, vm, req.Datastore, req.DiskId)
		if fault != nil {
			return nil, fault
		}
		device := diskDevice(disk, vm, req.ControllerKey)
		if device == nil {
			fault = new(types.InvalidController)
		} else {
			fault = m.reshape(ctx, vm, types.VirtualDeviceConfigSpecOperationAdd, device)
		}
		if fault != nil {
			m.disks.release(ctx, req.DiskId, false)
		}
		return nil, fault
	})
	return &methods.AttachDisk_TaskBody{Res: &types.AttachDisk_TaskResponse{Returnval: ref}}
}

// DetachDiskTask removes the device, which the simulator does not.
func (m *machines) DetachDiskTask(ctx *simulator.Context, req *types.DetachDisk_Task) soap.HasFault {
	vm := machine(ctx, req.This)
	ref := m.task(ctx, vm, "detachDisk", "DetachDisk_Task", func() (types.AnyType, types.BaseMethodFault) {
		for _, device := range vm.Config.Hardware.Device {
			if disk, ok := device.(*types.VirtualDisk); ok && disk.VDiskId != nil && *disk.VDiskId == req.DiskId {
				fault := m.reshape(ctx, vm, types.VirtualDeviceConfigSpecOperationRemove, disk)
				if fault == nil {
					m.disks.release(ctx, req.DiskId, false)
				}
				return nil, fault
			}
		}
		return nil, new(types.NotFound)
	})
	return &methods.DetachDisk_TaskBody{Res: &types.DetachDisk_TaskResponse{Returnval: ref}}
}

// reshape adds or removes one device; the caller holds the machine's lock.
func (m *machines) reshape(
	ctx *simulator.Context, vm *simulator.VirtualMachine, operation types.VirtualDeviceConfigSpecOperation,
	device types.BaseVirtualDevice,
) types.BaseMethodFault {
	spec := types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
		&types.VirtualDeviceConfigSpec{Operation: operation, Device: device},
	}}
	res := vm.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: vm.Self, Spec: spec})
	_, fault := m.feed.await(ctx, res.(*methods.ReconfigVM_TaskBody).Res.Returnval)
	return fault
}

// diskPlaces are the controllers that can have disks: the first key of their disks, how many each has, and which is none.
type diskPlaces struct{ first, units, own int32 }

func placesOf(device types.BaseVirtualDevice) (int32, diskPlaces, bool) {
	switch controller := device.(type) {
	case types.BaseVirtualSCSIController:
		return controller.GetVirtualSCSIController().BusNumber, diskPlaces{2000, 16, 7}, true
	case *types.VirtualAHCIController:
		return controller.BusNumber, diskPlaces{16000, 30, -1}, true
	case *types.VirtualNVMEController:
		return controller.BusNumber, diskPlaces{32000, 15, -1}, true
	}
	return 0, diskPlaces{}, false
}

// diskDevice is a disk as a device on the first free place of a controller, which has to be named where there are
// several; nil when there is none.
func diskDevice(disk *simulator.VStorageObject, vm *simulator.VirtualMachine, wanted int32) *types.VirtualDisk {
	taken := make(map[[2]int32]bool)
	var controllers []types.BaseVirtualDevice
	for _, item := range vm.Config.Hardware.Device {
		device := item.GetVirtualDevice()
		if device.UnitNumber != nil {
			taken[[2]int32{device.ControllerKey, *device.UnitNumber}] = true
		}
		if _, _, ok := placesOf(item); ok && (wanted == 0 || wanted == device.Key) {
			controllers = append(controllers, item)
		}
	}
	if len(controllers) != 1 {
		return nil
	}
	bus, places, _ := placesOf(controllers[0])
	key := controllers[0].GetVirtualDevice().Key
	for unit := range places.units {
		if unit == places.own || taken[[2]int32{key, unit}] {
			continue
		}
		file := disk.Config.Backing.(*types.BaseConfigInfoDiskFileBackingInfo)
		return &types.VirtualDisk{
			VirtualDevice: types.VirtualDevice{
				Key: places.first + bus*places.units + unit, ControllerKey: key, UnitNumber: types.NewInt32(unit),
				Backing: &types.VirtualDiskFlatVer2BackingInfo{
					VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{
						FileName: file.FilePath, Datastore: &file.Datastore, BackingObjectId: &file.BackingObjectId,
					},
					DiskMode: string(types.VirtualDiskModePersistent), ThinProvisioned: types.NewBool(true),
				},
			},
			CapacityInBytes: disk.Config.CapacityInMB << 20,
			CapacityInKB:    disk.Config.CapacityInMB << 10,
			VDiskId:         &types.ID{Id: disk.Config.Id.Id},
		}
	}
	return nil
}

// settleDisks takes over what a change of a machine did to first-class disks.
func (m *machines) settleDisks(ctx *simulator.Context, changes []types.BaseVirtualDeviceConfigSpec) {
	for _, item := range changes {
		change := item.GetVirtualDeviceConfigSpec()
		disk, ok := change.Device.(*types.VirtualDisk)
		if !ok || disk.VDiskId == nil {
			continue
		}
		switch change.Operation {
		case types.VirtualDeviceConfigSpecOperationRemove:
			m.disks.release(ctx, *disk.VDiskId, change.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy)
		case types.VirtualDeviceConfigSpecOperationEdit:
			m.disks.grown(ctx, disk)
		}
	}
}

// RemoveObject lets the disks of a machine go that is deleted: those that are to be kept stay, the others go with it.
func (d *disks) RemoveObject(ctx *simulator.Context, ref types.ManagedObjectReference) {
	vm := machine(ctx, ref)
	if vm == nil || vm.Config == nil {
		return
	}
	vm.Config.Hardware.Device = slices.DeleteFunc(
		slices.Clone(vm.Config.Hardware.Device), func(device types.BaseVirtualDevice) bool {
			disk, ok := device.(*types.VirtualDisk)
			if !ok || disk.VDiskId == nil {
				return false
			}
			kept := d.keeps(ctx, *disk.VDiskId)
			d.release(ctx, *disk.VDiskId, !kept)
			return kept
		})
}

// PutObject does nothing.
func (*disks) PutObject(*simulator.Context, mo.Reference) {}

// UpdateObject does nothing.
func (*disks) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}
