package main

import (
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// filter is one PropertyFilter and what its client knows. The collector's mutex guards it.
type filter struct {
	mo.PropertyFilter

	owner   *collector
	seen    uint64
	members []types.ManagedObjectReference
	sent    map[types.ManagedObjectReference]map[string]types.AnyType
}

// DestroyPropertyFilter ends the filter.
func (f *filter) DestroyPropertyFilter(ctx *simulator.Context, req *types.DestroyPropertyFilter) soap.HasFault {
	f.owner.dropFilter(f.Self)
	ctx.Session.Remove(ctx, req.This)
	return &methods.DestroyPropertyFilterBody{Res: &types.DestroyPropertyFilterResponse{}}
}

// differences are the updates that make the client know the state as of sequence, or a later one.
func (f *filter) differences(
	ctx *simulator.Context, source *feed, sequence uint64,
) ([]types.ObjectUpdate, types.BaseMethodFault) {
	if f.sent == nil || f.reselect(source) {
		members, fault := f.selected(ctx)
		if fault != nil {
			return nil, fault
		}
		f.members = members
	}
	if f.sent == nil {
		f.sent = make(map[types.ManagedObjectReference]map[string]types.AnyType)
		f.seen = 0
	}
	here, changed := source.present(f.members, f.seen)
	f.seen = sequence

	var updates []types.ObjectUpdate
	member := make(map[types.ManagedObjectReference]bool, len(here))
	var read []types.ObjectSpec
	for _, ref := range here {
		member[ref] = true
		if _, known := f.sent[ref]; !known || changed[ref] {
			read = append(read, types.ObjectSpec{Obj: ref})
		}
	}
	for ref := range f.sent {
		if !member[ref] {
			delete(f.sent, ref)
			updates = append(updates, types.ObjectUpdate{Kind: types.ObjectUpdateKindLeave, Obj: ref})
		}
	}
	if len(read) == 0 {
		return updates, nil
	}
	contents, fault := f.owner.retrieve(ctx, f.Spec.PropSet, read)
	if fault != nil {
		return nil, fault
	}
	for _, content := range contents {
		if update := f.compare(content); update != nil {
			updates = append(updates, *update)
		}
	}
	return updates, nil
}

// compare remembers an object's properties and returns what of them the client does not know; nil when it knows all.
func (f *filter) compare(content types.ObjectContent) *types.ObjectUpdate {
	old, known := f.sent[content.Obj]
	update := &types.ObjectUpdate{Kind: types.ObjectUpdateKindEnter, Obj: content.Obj, MissingSet: content.MissingSet}
	if known {
		update.Kind, update.MissingSet = types.ObjectUpdateKindModify, nil
	}
	fresh := make(map[string]types.AnyType, len(content.PropSet))
	for _, p := range content.PropSet {
		fresh[p.Name] = p.Val
		if before, had := old[p.Name]; !had || !reflect.DeepEqual(before, p.Val) {
			update.ChangeSet = append(update.ChangeSet, types.PropertyChange{
				Name: p.Name, Op: types.PropertyChangeOpAssign, Val: p.Val,
			})
		}
	}
	for name := range old {
		if _, has := fresh[name]; !has {
			update.ChangeSet = append(update.ChangeSet, types.PropertyChange{
				Name: name, Op: types.PropertyChangeOpAssign,
			})
		}
	}
	f.sent[content.Obj] = fresh
	if known && len(update.ChangeSet) == 0 {
		return nil
	}
	return update
}

// reselect tells whether the filter's objects have to be looked up again: a view says when it changed, any other
// traversal has to be walked.
func (f *filter) reselect(source *feed) bool {
	for _, o := range f.Spec.ObjectSet {
		if len(o.SelectSet) == 0 {
			continue
		}
		if !isView(o.Obj) {
			return true
		}
		if _, changed := source.present([]types.ManagedObjectReference{o.Obj}, f.seen); changed[o.Obj] {
			return true
		}
	}
	return false
}

func isView(ref types.ManagedObjectReference) bool {
	return ref.Type == "ContainerView" || ref.Type == "ListView"
}

// selected are the objects that the filter's specification leads to.
func (f *filter) selected(ctx *simulator.Context) ([]types.ManagedObjectReference, types.BaseMethodFault) {
	if refs, ok := f.viewed(ctx); ok {
		return refs, nil
	}
	kinds := make([]types.PropertySpec, len(f.Spec.PropSet))
	for i, p := range f.Spec.PropSet {
		kinds[i] = types.PropertySpec{Type: p.Type}
	}
	contents, fault := f.owner.retrieve(ctx, kinds, f.Spec.ObjectSet)
	if fault != nil {
		return nil, fault
	}
	refs := make([]types.ManagedObjectReference, len(contents))
	for i, content := range contents {
		refs[i] = content.Obj
	}
	return refs, nil
}

// viewed is the short way for what nearly all clients ask: the objects of one view, of types named exactly.
func (f *filter) viewed(ctx *simulator.Context) ([]types.ManagedObjectReference, bool) {
	if len(f.Spec.ObjectSet) != 1 || !isView(f.Spec.ObjectSet[0].Obj) {
		return nil, false
	}
	o := f.Spec.ObjectSet[0]
	if len(o.SelectSet) != 1 || o.Skip == nil || !*o.Skip {
		return nil, false
	}
	if step, ok := o.SelectSet[0].(*types.TraversalSpec); !ok || step.Path != "view" || len(step.SelectSet) > 0 {
		return nil, false
	}
	wanted := make(map[string]bool, len(f.Spec.PropSet))
	for _, p := range f.Spec.PropSet {
		if p.Type == "ManagedEntity" || p.Type == "ComputeResource" || p.Type == "Network" {
			return nil, false // stands for other types too
		}
		wanted[p.Type] = true
	}
	var refs []types.ManagedObjectReference
	keep := func(view []types.ManagedObjectReference) {
		for _, ref := range view {
			if wanted[ref.Type] {
				refs = append(refs, ref)
			}
		}
	}
	switch view := ctx.Session.Get(o.Obj).(type) {
	case *simulator.ContainerView:
		ctx.WithLock(view, func() { keep(view.View) })
	case *simulator.ListView:
		ctx.WithLock(view, func() { keep(view.View) })
	default:
		return nil, false
	}
	return refs, true
}
