package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// fields takes the calls about custom attributes, whose changes the simulator tells nobody.
type fields struct {
	resident
	unlocked
	feed *feed

	mu sync.Mutex
}

func newFields(feed *feed) *fields {
	return &fields{resident: newResident("fields"), feed: feed}
}

// AddCustomFieldDef defines an attribute.
func (f *fields) AddCustomFieldDef(ctx *simulator.Context, req *types.AddCustomFieldDef) soap.HasFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	manager := ctx.Map.CustomFieldsManager()
	var result soap.HasFault
	ctx.WithLock(manager, func() { result = manager.AddCustomFieldDef(ctx, req) })
	f.feed.note(manager.Self, false)
	return result
}

// SetField gives an object the value of an attribute.
func (f *fields) SetField(ctx *simulator.Context, req *types.SetField) soap.HasFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	manager := ctx.Map.CustomFieldsManager()
	var result soap.HasFault
	ctx.WithLock(manager, func() { result = manager.SetField(ctx, req) })
	f.feed.note(req.Entity, false)
	return result
}
