package main

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
)

const settingsPath = "/lab/settings"

// settings is the lab's own door: what a test changes while the server runs.
type settings struct {
	accounts  *accounts
	guests    *guests
	registry  *simulator.Registry
	protected *protected
}

// change lists what may be set; what is absent stays as it is.
type change struct {
	TaskDelay *float64            `json:"taskDelay"` // seconds
	BootDelay *float64            `json:"bootDelay"` // seconds
	Passwords map[string]string   `json:"passwords"` // by account
	Denied    map[string][]string `json:"denied"`    // privileges taken away, by account
	// Privileges held, by account and inventory path; null gives an account everything.
	Grants  map[string]map[string][]string `json:"grants"`
	HotPlug *bool                          `json:"hotPlugNotSupported"`

	Hosts     map[string]hostChange `json:"hosts"`     // by name
	Protected map[string]bool       `json:"protected"` // machines that may not be deleted, by id
	Scattered map[string]bool       `json:"scattered"` // machines whose disks need consolidation, by id
}

func (s settings) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var c change
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if c.TaskDelay != nil {
		setTaskDelay(seconds(*c.TaskDelay))
	}
	if c.BootDelay != nil {
		s.guests.bootDelay.Store(int64(seconds(*c.BootDelay)))
	}
	for name, password := range c.Passwords {
		s.accounts.setPassword(name, password)
	}
	if c.HotPlug != nil {
		hotPlugNotSupported.Store(*c.HotPlug)
	}
	for name, grants := range c.Grants {
		s.accounts.grant(name, grants)
	}
	for name, privileges := range c.Denied {
		s.accounts.deny(name, privileges)
	}
	for id, on := range c.Protected {
		s.protected.set(id, on)
	}
	for id, so := range c.Scattered {
		if err := scatter(s.registry, id, so); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	for name, wanted := range c.Hosts {
		if err := changeHost(s.registry, name, wanted); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}

// longTask is how long what no task of the simulator does takes, in nanoseconds.
var longTask atomic.Int64

func taskDelay() time.Duration { return time.Duration(longTask.Load()) }

// setTaskDelay makes every task that a client starts take this long. Tasks that a task starts are not delayed again.
func setTaskDelay(delay time.Duration) {
	longTask.Store(int64(delay))
	// Without LockHandoff=0 an object could not even be read while a task on it waits.
	delays := map[string]int{"LockHandoff": 0}
	for _, name := range []string{
		"CloneVM_Task", "ReconfigVM_Task", "Rename_Task", "CreateVM_Task", "PowerOnVM_Task", "PowerOffVM_Task",
		"SuspendVM_Task", "ShutdownGuest", "StandbyGuest", "Destroy_Task", "RelocateVM_Task",
		"RemoveSnapshot_Task", "RevertToSnapshot_Task", "RevertToCurrentSnapshot_Task", "RemoveAllSnapshots_Task",
		"CustomizeVM_Task", "MoveIntoFolder_Task", "UpgradeVM_Task", "AttachDisk_Task", "DetachDisk_Task",
		"CreateDisk_Task", "ExtendDisk_Task", "DeleteVStorageObject_Task", "UpdateVStorageObjectPolicy_Task",
		"VCenterUpdateVStorageObjectMetadataEx_Task", "CreateDVPortgroup_Task", "ReconfigureDVPortgroup_Task",
		"CreateSnapshot_Task", "VStorageObjectCreateSnapshot_Task", "DeleteSnapshot_Task",
		"CreateDiskFromSnapshot_Task",
	} {
		delays[name] = int(delay.Milliseconds())
	}
	simulator.TaskDelay = simulator.DelayConfig{MethodDelay: delays}
}
