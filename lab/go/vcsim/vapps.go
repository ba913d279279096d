package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// vapps are appliances of several machines: the simulator has them in their pool, and not in their folder. Those of the
// lab hold no machines.
type vapps struct {
	resident
}

func newVapps() *vapps {
	return &vapps{newResident("vapps")}
}

// create makes a vApp with an annotation in a pool and in a folder, which holds a name once.
func (*vapps) create(
	ctx *simulator.Context, folder *simulator.Folder, pool types.ManagedObjectReference, name, annotation string,
) (types.ManagedObjectReference, types.BaseMethodFault) {
	none := types.ManagedObjectReference{}
	above, ok := ctx.Map.Get(pool).(*simulator.ResourcePool)
	if !ok {
		return none, missing(pool)
	}
	release := ctx.Map.AcquireLock(ctx, folder)
	defer release()
	if fault := taken(ctx, folder, name, none); fault != nil {
		return none, fault
	}
	req := &types.CreateVApp{
		This: pool, Name: name, ResSpec: types.DefaultResourceConfigSpec(), VmFolder: &folder.Self,
		ConfigSpec: types.VAppConfigSpec{Annotation: annotation},
	}
	var res *methods.CreateVAppBody
	ctx.WithLock(above, func() { res = above.CreateVApp(ctx, req).(*methods.CreateVAppBody) })
	if res.Fault_ != nil {
		return none, res.Fault_.VimFault().(types.BaseMethodFault)
	}
	made := res.Res.Returnval
	folder.ChildEntity = append(folder.ChildEntity, made)
	return made, nil
}

// PutObject does nothing.
func (*vapps) PutObject(*simulator.Context, mo.Reference) {}

// UpdateObject does nothing.
func (*vapps) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}

// RemoveObject takes a vApp out of its folder.
func (*vapps) RemoveObject(ctx *simulator.Context, ref types.ManagedObjectReference) {
	app, ok := ctx.Map.Get(ref).(*simulator.VirtualApp)
	if !ok || app.ParentFolder == nil {
		return
	}
	if folder, ok := ctx.Map.Get(*app.ParentFolder).(*simulator.Folder); ok {
		ctx.Map.RemoveReference(ctx, folder, &folder.ChildEntity, ref)
	}
}

// vappNeeds is what the deletion of a vApp needs, on it and on its folder.
func vappNeeds(ctx *simulator.Context, ref types.ManagedObjectReference) []need {
	found := []need{{ref, "VApp.Delete"}}
	if app, ok := ctx.Map.Get(ref).(*simulator.VirtualApp); ok && app.ParentFolder != nil {
		found = append(found, need{*app.ParentFolder, "VApp.Delete"})
	}
	return found
}
