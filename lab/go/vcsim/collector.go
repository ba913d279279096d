package main

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// A vCenter never sends more objects at once, whatever the client asks for.
	pageLimit = 100
	// How long changes gather before they are sent, so that one power-on is one update.
	gatherTime = 10 * time.Millisecond
	// A wait without a limit ends here; the client asks again.
	longestWait = 10 * time.Minute
)

// collector is a PropertyCollector that compares what it sent with what is.
//
// The simulator's own forwards the changes that its code announces: it misses those that are not announced (hardware,
// template flag), reads every object of a filter again for every single change, and only the newest of the sessions
// that use the root collector gets any.
type collector struct {
	simulator.PropertyCollector

	turn sync.Mutex // held by the call that waits

	mu        sync.Mutex // guards what follows
	filters   []*filter
	interrupt context.CancelFunc
	version   int
	last      *types.UpdateSet
	queue     []objectUpdate
}

type objectUpdate struct {
	filter types.ManagedObjectReference
	update types.ObjectUpdate
}

func collectorReference(registry *simulator.Registry) *types.ManagedObjectReference {
	instance := registry.Get(vim25.ServiceInstance).(*simulator.ServiceInstance)
	return &instance.Content.PropertyCollector
}

// CreatePropertyCollector makes another one for the same session.
func (c *collector) CreatePropertyCollector(
	ctx *simulator.Context, _ *types.CreatePropertyCollector,
) soap.HasFault {
	another := &collector{}
	another.Self.Type = "PropertyCollector"
	return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{
		Returnval: ctx.Session.Put(another).Reference(),
	}}
}

// DestroyPropertyCollector ends a wait and forgets the filters.
func (c *collector) DestroyPropertyCollector(
	ctx *simulator.Context, req *types.DestroyPropertyCollector,
) soap.HasFault {
	c.stopWaiting()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.filters {
		ctx.Session.Remove(ctx, f.Self)
	}
	c.filters, c.Filter = nil, nil
	ctx.Session.Remove(ctx, req.This)
	return &methods.DestroyPropertyCollectorBody{Res: &types.DestroyPropertyCollectorResponse{}}
}

// CreateFilter adds a filter; a call that waits already reports on it too.
func (c *collector) CreateFilter(ctx *simulator.Context, req *types.CreateFilter) soap.HasFault {
	f := &filter{owner: c}
	f.Self.Type = "PropertyFilter"
	f.Spec = req.Spec
	f.PartialUpdates = req.PartialUpdates
	ref := ctx.Session.Put(f).Reference()
	c.mu.Lock()
	c.filters = append(c.filters, f)
	c.Filter = append(c.Filter, ref)
	c.mu.Unlock()
	feedOf(ctx).note(ref, false)
	return &methods.CreateFilterBody{Res: &types.CreateFilterResponse{Returnval: ref}}
}

func (c *collector) dropFilter(ref types.ManagedObjectReference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	simulator.RemoveReference(&c.Filter, ref)
	for i, f := range c.filters {
		if f.Self == ref {
			c.filters = append(c.filters[:i:i], c.filters[i+1:]...)
			break
		}
	}
}

// CancelWaitForUpdates ends a call that waits with RequestCanceled.
func (c *collector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.stopWaiting()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

func (c *collector) stopWaiting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupt != nil {
		c.interrupt()
	}
}

// WaitForUpdates is the older form, without options.
func (c *collector) WaitForUpdates(ctx *simulator.Context, req *types.WaitForUpdates) soap.HasFault {
	for {
		res := c.WaitForUpdatesEx(ctx, &types.WaitForUpdatesEx{This: req.This, Version: req.Version})
		body := res.(*methods.WaitForUpdatesExBody)
		if body.Fault_ != nil {
			return &methods.WaitForUpdatesBody{Fault_: body.Fault_}
		}
		if set := body.Res.Returnval; set != nil {
			return &methods.WaitForUpdatesBody{Res: &types.WaitForUpdatesResponse{Returnval: *set}}
		}
	}
}

// WaitForUpdatesEx sends the differences to what was sent before, or waits for the first.
//
// A version that was answered already is answered the same again (its answer may have been lost); an older one gets
// InvalidCollectorVersion. Only one call may wait: a newer ends the older one.
func (c *collector) WaitForUpdatesEx(ctx *simulator.Context, req *types.WaitForUpdatesEx) soap.HasFault {
	limit, longest := pageLimit, longestWait
	if o := req.Options; o != nil {
		if o.MaxWaitSeconds != nil {
			longest = min(longest, time.Duration(*o.MaxWaitSeconds)*time.Second)
		}
		if o.MaxObjectUpdates > 0 {
			limit = min(limit, int(o.MaxObjectUpdates))
		}
	}
	interrupted, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	c.mu.Lock()
	if c.interrupt != nil {
		c.interrupt()
	}
	c.interrupt = interrupt
	c.mu.Unlock()
	c.turn.Lock()
	defer c.turn.Unlock()

	body := &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{}}
	again, fault := c.open(req.Version)
	if fault != nil {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", fault)}
	}
	if again != nil {
		body.Res.Returnval = again
		return body
	}
	source := feedOf(ctx)
	deadline := time.NewTimer(longest)
	defer deadline.Stop()
	for {
		sequence, wake := source.now()
		set, fault := c.collect(ctx, source, sequence, limit, req.Version == "")
		if fault != nil {
			return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", fault)}
		}
		if set != nil || longest == 0 {
			body.Res.Returnval = set
			return body
		}
		select {
		case <-wake:
			time.Sleep(gatherTime)
		case <-deadline.C:
			return body
		case <-interrupted.Done():
			return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", new(types.RequestCanceled))}
		}
	}
}

// open checks the client's version. It returns an update set when that version was answered already.
func (c *collector) open(version string) (*types.UpdateSet, types.BaseMethodFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch version {
	case "":
		c.queue, c.last = nil, nil
		for _, f := range c.filters {
			f.sent = nil
		}
		return nil, nil
	case strconv.Itoa(c.version):
		return nil, nil
	case strconv.Itoa(c.version - 1):
		if c.last != nil {
			return c.last, nil
		}
	}
	return nil, new(types.InvalidCollectorVersion)
}

// collect queues what changed and takes one page from the queue; nil when there is nothing to send.
func (c *collector) collect(
	ctx *simulator.Context, source *feed, sequence uint64, limit int, first bool,
) (*types.UpdateSet, types.BaseMethodFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		for _, f := range c.filters {
			updates, fault := f.differences(ctx, source, sequence)
			if fault != nil {
				return nil, fault
			}
			for _, u := range updates {
				c.queue = append(c.queue, objectUpdate{f.Self, u})
			}
		}
	}
	if len(c.queue) == 0 && !first {
		return nil, nil
	}
	c.version++
	c.last = &types.UpdateSet{Version: strconv.Itoa(c.version)}
	page := c.queue[:min(limit, len(c.queue))]
	c.queue = c.queue[len(page):]
	for _, item := range page {
		sets := c.last.FilterSet
		if n := len(sets); n == 0 || sets[n-1].Filter != item.filter {
			sets = append(sets, types.PropertyFilterUpdate{Filter: item.filter})
		}
		current := &sets[len(sets)-1]
		current.ObjectSet = append(current.ObjectSet, item.update)
		c.last.FilterSet = sets
	}
	if len(c.queue) > 0 {
		c.last.Truncated = types.NewBool(true)
	}
	return c.last, nil
}

func feedOf(ctx *simulator.Context) *feed {
	return ctx.Map.Get(feedReference).(*feed)
}

func (c *collector) retrieve(
	ctx *simulator.Context, properties []types.PropertySpec, objects []types.ObjectSpec,
) ([]types.ObjectContent, types.BaseMethodFault) {
	res := c.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{
		This: c.Self,
		SpecSet: []types.PropertyFilterSpec{{
			PropSet:                       properties,
			ObjectSet:                     objects,
			ReportMissingObjectsInResults: types.NewBool(true),
		}},
	})
	body := res.(*methods.RetrievePropertiesExBody)
	if body.Fault_ != nil {
		return nil, body.Fault_.VimFault().(types.BaseMethodFault)
	}
	return body.Res.Returnval.Objects, nil
}
