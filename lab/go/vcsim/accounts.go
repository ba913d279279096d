package main

import (
	"encoding/json"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// accounts knows who may log in and what they may do.
type accounts struct {
	mu sync.Mutex
	by map[string]*account
}

type account struct {
	Password string `json:"password"`
	ReadOnly bool   `json:"readOnly"`
	// Grants are privileges by inventory path, such as /DC0/vm: those of an object are what the nearest path at or
	// above it says. Nil: everything, everywhere.
	Grants map[string][]string `json:"grants"`
	denied map[string]bool
}

func readAccounts(file string) (*accounts, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	a := &accounts{}
	return a, json.Unmarshal(text, &a.by)
}

func (a *accounts) valid(login *types.Login) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.by[login.UserName]
	return account != nil && login.Password == account.Password
}

// setPassword is for later logins; sessions that exist go on, as on a vCenter.
func (a *accounts) setPassword(name, password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.by[name]; account != nil {
		account.Password = password
	}
}

// deny replaces the privileges that were taken from an account.
func (a *accounts) deny(name string, privileges []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.by[name]; account != nil {
		account.denied = make(map[string]bool, len(privileges))
		for _, id := range privileges {
			account.denied[id] = true
		}
	}
}

// grant replaces what an account holds.
func (a *accounts) grant(name string, grants map[string][]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.by[name]; account != nil {
		account.Grants = grants
	}
}

// may tells whether a user holds a privilege on an object. The simulator's calls to itself have no user and may do
// everything.
func (a *accounts) may(
	registry *simulator.Registry, user string, entity types.ManagedObjectReference, privilege string,
) bool {
	if user == "" || strings.HasPrefix(privilege, "System.") {
		return true
	}
	at := inventoryPath(registry, entity)
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.by[user]
	return account != nil && !account.ReadOnly && !account.denied[privilege] && account.holds(at, privilege)
}

func (a *account) holds(at, privilege string) bool {
	if a.Grants == nil {
		return true
	}
	for {
		if granted, ok := a.Grants[at]; ok {
			return slices.Contains(granted, privilege)
		}
		if at == "/" {
			return false
		}
		at = path.Dir(at)
	}
}

// inventoryPath names an object by those above it; what is not in the inventory (a manager) is at the top.
func inventoryPath(registry *simulator.Registry, ref types.ManagedObjectReference) string {
	var names []string
	for {
		found, ok := registry.Get(ref).(mo.Entity)
		if !ok {
			break
		}
		entity := found.Entity()
		if entity.Parent == nil {
			break
		}
		names = append([]string{entity.Name}, names...)
		ref = *entity.Parent
	}
	return "/" + strings.Join(names, "/")
}

// check is the fault for a call that its user may not make, else nil.
func (a *accounts) check(ctx *simulator.Context, method *simulator.Method) types.BaseMethodFault {
	if ctx.Session == nil {
		return nil
	}
	for _, need := range needs(ctx, method) {
		if ctx.Map.Get(need.entity) == nil {
			continue // the call itself finds out that it is gone
		}
		if !a.may(ctx.Map, ctx.Session.UserName, need.entity, need.privilege) {
			// Without missingPrivileges: clients that speak API 7.0 cannot read it.
			return &types.NoPermission{Object: &need.entity, PrivilegeId: need.privilege}
		}
	}
	return nil
}
