package main

import (
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// diskSnapshot is what the simulator has no short name for.
type diskSnapshot = types.VStorageObjectSnapshotInfoVStorageObjectSnapshot

// VStorageObjectCreateSnapshotTask takes a snapshot of a disk.
func (d *disks) VStorageObjectCreateSnapshotTask(
	ctx *simulator.Context, req *types.VStorageObjectCreateSnapshot_Task,
) soap.HasFault {
	made := types.ID{Id: uuid.NewString()}
	ref := d.yielding(ctx, req.Datastore, req.Id, "createSnapshot", "VStorageObjectCreateSnapshot_Task",
		func(disk *simulator.VStorageObject) (types.AnyType, types.BaseMethodFault) {
			disk.Snapshots = append(disk.Snapshots, diskSnapshot{
				Id: &made, BackingObjectId: uuid.NewString(), CreateTime: time.Now(), Description: req.Description,
			})
			return made, nil
		})
	return &methods.VStorageObjectCreateSnapshot_TaskBody{
		Res: &types.VStorageObjectCreateSnapshot_TaskResponse{Returnval: ref},
	}
}

// RetrieveSnapshotInfo lists the snapshots of a disk.
func (d *disks) RetrieveSnapshotInfo(ctx *simulator.Context, req *types.RetrieveSnapshotInfo) soap.HasFault {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk := d.at(ctx, req.Datastore, req.Id)
	if disk == nil {
		return &methods.RetrieveSnapshotInfoBody{Fault_: simulator.Fault("", new(types.NotFound))}
	}
	info := types.VStorageObjectSnapshotInfo{Snapshots: append([]diskSnapshot(nil), disk.Snapshots...)}
	return &methods.RetrieveSnapshotInfoBody{Res: &types.RetrieveSnapshotInfoResponse{Returnval: info}}
}

// DeleteSnapshotTask deletes a snapshot of a disk.
func (d *disks) DeleteSnapshotTask(ctx *simulator.Context, req *types.DeleteSnapshot_Task) soap.HasFault {
	ref := d.task(ctx, req.Datastore, req.Id, "deleteSnapshot", "DeleteSnapshot_Task",
		func(disk *simulator.VStorageObject) types.BaseMethodFault {
			for i, one := range disk.Snapshots {
				if *one.Id == req.SnapshotId {
					disk.Snapshots = append(disk.Snapshots[:i:i], disk.Snapshots[i+1:]...)
					return nil
				}
			}
			return new(types.NotFound)
		})
	return &methods.DeleteSnapshot_TaskBody{Res: &types.DeleteSnapshot_TaskResponse{Returnval: ref}}
}

// CreateDiskFromSnapshotTask makes a disk as large as the one that the snapshot is of. It has no metadata.
func (d *disks) CreateDiskFromSnapshotTask(
	ctx *simulator.Context, req *types.CreateDiskFromSnapshot_Task,
) soap.HasFault {
	ref := d.yielding(ctx, req.Datastore, req.Id, "createDiskFromSnapshot", "CreateDiskFromSnapshot_Task",
		func(disk *simulator.VStorageObject) (types.AnyType, types.BaseMethodFault) {
			for _, one := range disk.Snapshots {
				if *one.Id == req.SnapshotId {
					return d.restored(ctx, disk, req)
				}
			}
			return nil, new(types.NotFound)
		})
	return &methods.CreateDiskFromSnapshot_TaskBody{
		Res: &types.CreateDiskFromSnapshot_TaskResponse{Returnval: ref},
	}
}

// restored is a new disk; the caller holds the lock.
func (d *disks) restored(
	ctx *simulator.Context, disk *simulator.VStorageObject, req *types.CreateDiskFromSnapshot_Task,
) (types.AnyType, types.BaseMethodFault) {
	manager := d.manager(ctx)
	backing := &types.VslmCreateSpecDiskFileBackingSpec{
		VslmCreateSpecBackingSpec: types.VslmCreateSpecBackingSpec{Datastore: req.Datastore}, ProvisioningType: "thin",
	}
	given := &types.CreateDisk_Task{This: manager.Self, Spec: types.VslmCreateSpec{
		Name: req.Name, CapacityInMB: disk.Config.CapacityInMB, BackingSpec: backing,
	}}
	res := manager.CreateDiskTask(ctx, given)
	result, fault := d.feed.await(ctx, res.(*methods.CreateDisk_TaskBody).Res.Returnval)
	if fault != nil {
		return nil, fault
	}
	made := result.(*types.VStorageObject)
	d.policies.set(made.Config.Id.Id, req.Profile)
	return d.shown(d.at(ctx, req.Datastore, made.Config.Id)), nil
}

// yielding is a task on a disk with a result.
func (d *disks) yielding(
	ctx *simulator.Context, store types.ManagedObjectReference, id types.ID, name, method string,
	execute func(*simulator.VStorageObject) (types.AnyType, types.BaseMethodFault),
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
		return execute(disk)
	})
	task.Info.Name, task.Info.DescriptionId = method, describedDisk(name)
	return task.Run(ctx)
}
