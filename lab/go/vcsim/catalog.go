package main

import (
	"cmp"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vslm/methods"
	vslmsim "github.com/vmware/govmomi/vslm/simulator"
	"github.com/vmware/govmomi/vslm/types"
)

// Most disks that one answer tells of, whatever is asked for.
const mostDisks = 1000

var catalogManager = vim.ManagedObjectReference{Type: "VslmVStorageObjectManager", Value: "VStorageObjectManager"}

// catalog is the simulator's catalog of all first-class disks, which tells neither their metadata nor their datastores.
type catalog struct {
	*vslmsim.VStorageObjectManager
	disks *disks
}

// serveCatalog puts it in the place of the simulator's. The service has to be without a listener still.
func serveCatalog(disks *disks) {
	simulator.RegisterEndpoint(func(service *simulator.Service, _ *simulator.Registry) {
		served := vslmsim.New()
		served.Put(&catalog{served.Get(catalogManager).(*vslmsim.VStorageObjectManager), disks})
		service.RegisterSDK(served)
	})
}

// VslmListVStorageObjectForSpec lists disks in order of their ids. It knows queries for a name, and for the ids after one.
func (c *catalog) VslmListVStorageObjectForSpec(
	ctx *simulator.Context, req *types.VslmListVStorageObjectForSpec,
) soap.HasFault {
	body := new(methods.VslmListVStorageObjectForSpecBody)
	within := ctx.For(vim25.Path)
	c.disks.mu.Lock()
	defer c.disks.mu.Unlock()
	var found []types.VslmVsoVStorageObjectResult
	for store, objects := range c.disks.manager(within).Catalog() {
		url := within.Map.Get(store).(*simulator.Datastore).Summary.Url
		for _, disk := range objects {
			fits, fault := fitting(disk, req.Query)
			if fault != nil {
				body.Fault_ = fault
				return body
			}
			if fits {
				found = append(found, described(disk, url))
			}
		}
	}
	slices.SortFunc(found, func(a, b types.VslmVsoVStorageObjectResult) int { return cmp.Compare(a.Id.Id, b.Id.Id) })
	most := min(int(req.MaxResult), mostDisks)
	result := &types.VslmVsoVStorageObjectQueryResult{AllRecordsReturned: len(found) <= most}
	for _, disk := range found[:min(len(found), most)] {
		result.Id = append(result.Id, disk.Id)
		result.QueryResults = append(result.QueryResults, disk)
	}
	body.Res = &types.VslmListVStorageObjectForSpecResponse{Returnval: result}
	return body
}

func described(disk *simulator.VStorageObject, url string) types.VslmVsoVStorageObjectResult {
	created := disk.Config.CreateTime
	return types.VslmVsoVStorageObjectResult{
		Id:           disk.Config.Id,
		Name:         disk.Config.Name,
		CapacityInMB: disk.Config.CapacityInMB,
		CreateTime:   &created,
		DatastoreUrl: url,
		Metadata:     slices.Clone(disk.Metadata),
	}
}

// fitting tells whether all queries mean a disk.
func fitting(disk *simulator.VStorageObject, queries []types.VslmVsoVStorageObjectQuerySpec) (bool, *soap.Fault) {
	for _, query := range queries {
		if len(query.QueryValue) != 1 {
			return false, simulator.Fault("", &vim.InvalidArgument{InvalidProperty: "values"})
		}
		value := query.QueryValue[0]
		switch query.QueryField + " " + query.QueryOperator {
		case "name equals":
			if disk.Config.Name != value {
				return false, nil
			}
		case "id greaterThan":
			if disk.Config.Id.Id <= value {
				return false, nil
			}
		default:
			return false, simulator.Fault("", &vim.InvalidArgument{InvalidProperty: "query"})
		}
	}
	return true, nil
}
