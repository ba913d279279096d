package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

var feedReference = labReference("feed")

// feed numbers the changes of all objects, so that any number of readers can ask what changed since they last looked.
type feed struct {
	resident

	mu       sync.Mutex
	sequence uint64
	changed  map[types.ManagedObjectReference]uint64
	gone     map[types.ManagedObjectReference]struct{}
	wake     chan struct{}
}

func newFeed() *feed {
	return &feed{
		resident: newResident("feed"),
		changed:  make(map[types.ManagedObjectReference]uint64),
		gone:     make(map[types.ManagedObjectReference]struct{}),
		wake:     make(chan struct{}),
	}
}

// PutObject is called for every new object.
func (f *feed) PutObject(_ *simulator.Context, o mo.Reference) { f.note(o.Reference(), false) }

// UpdateObject is called after every change, by whoever holds the object's lock.
func (f *feed) UpdateObject(_ *simulator.Context, o mo.Reference, _ []types.PropertyChange) {
	f.note(o.Reference(), false)
}

// RemoveObject is called before an object goes.
func (f *feed) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	f.note(ref, true)
}

func (f *feed) note(ref types.ManagedObjectReference, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sequence++
	if gone {
		delete(f.changed, ref)
		f.gone[ref] = struct{}{}
	} else {
		f.changed[ref] = f.sequence
	}
	close(f.wake)
	f.wake = make(chan struct{})
}

// now returns the number of the newest change and a channel that is closed by the next one.
func (f *feed) now() (uint64, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sequence, f.wake
}

// present returns the refs that were not removed, and which of them changed after the given number.
func (f *feed) present(
	refs []types.ManagedObjectReference, since uint64,
) (here []types.ManagedObjectReference, changed map[types.ManagedObjectReference]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = make(map[types.ManagedObjectReference]bool)
	for _, ref := range refs {
		if _, gone := f.gone[ref]; gone {
			continue
		}
		here = append(here, ref)
		if f.changed[ref] > since {
			changed[ref] = true
		}
	}
	return here, changed
}

// await blocks until a task has ended, and returns its result or its fault.
func (f *feed) await(
	ctx *simulator.Context, ref types.ManagedObjectReference,
) (types.AnyType, types.BaseMethodFault) {
	task := ctx.Map.Get(ref).(*simulator.Task)
	// The task's own context would share its lock with us.
	apart := &simulator.Context{Context: ctx.Context, Map: ctx.Map}
	for {
		_, wake := f.now()
		var info types.TaskInfo
		ctx.Map.WithLock(apart, task, func() { info = task.Info })
		switch info.State {
		case types.TaskInfoStateSuccess:
			return info.Result, nil
		case types.TaskInfoStateError:
			return nil, info.Error.Fault
		}
		<-wake
	}
}
