package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const seedPath = "/lab/machines"

// seed is the lab's door for machines by the thousand. Each is a clone like any other, asked for without the network.
type seed struct {
	service *simulator.Service
}

// wanted is a running machine with 2 CPUs and 4 GiB; its marks become extraConfig.
type wanted struct {
	Name  string            `json:"name"`
	Marks map[string]string `json:"marks"`
	UUID  string            `json:"uuid"`
	Token string            `json:"token"` // of no use here
}

func (s seed) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var orders []wanted
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&orders); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ids, err := s.launch(r.Context(), orders)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err = json.NewEncoder(w).Encode(ids); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// launch clones debian-12 into folder hybridge and returns the machines' ids, in the order of the orders.
func (s seed) launch(ctx context.Context, orders []wanted) ([]string, error) {
	client, err := vim25.NewClient(ctx, s.service)
	if err != nil {
		return nil, err
	}
	finder := find.NewFinder(client, false)
	source, err := finder.VirtualMachine(ctx, "/DC0/vm/templates/debian-12")
	if err != nil {
		return nil, err
	}
	folder, err := finder.Folder(ctx, "/DC0/vm/hybridge")
	if err != nil {
		return nil, err
	}
	pool, err := finder.ResourcePool(ctx, "/DC0/host/DC0_C0/Resources")
	if err != nil {
		return nil, err
	}
	tasks := make([]*object.Task, len(orders))
	for i, order := range orders {
		if tasks[i], err = source.Clone(ctx, folder, order.Name, order.clone(pool.Reference())); err != nil {
			return nil, fmt.Errorf("%s: %w", order.Name, err)
		}
	}
	ids := make([]string, len(orders))
	for i, task := range tasks {
		// All are under way: whoever waited for each before the next would wait for the collector to gather changes.
		info, err := task.WaitForResult(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", orders[i].Name, err)
		}
		ids[i] = info.Result.(types.ManagedObjectReference).Value
	}
	return ids, nil
}

func (o wanted) clone(pool types.ManagedObjectReference) types.VirtualMachineCloneSpec {
	config := types.VirtualMachineConfigSpec{InstanceUuid: o.UUID, NumCPUs: 2, MemoryMB: 4096}
	for _, key := range slices.Sorted(maps.Keys(o.Marks)) {
		config.ExtraConfig = append(config.ExtraConfig, &types.OptionValue{Key: key, Value: o.Marks[key]})
	}
	return types.VirtualMachineCloneSpec{
		Location: types.VirtualMachineRelocateSpec{Pool: &pool}, Config: &config, PowerOn: true,
	}
}
