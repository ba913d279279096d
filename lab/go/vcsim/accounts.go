package main

import (
	"encoding/json"
	"os"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// accounts knows who may log in and what they may do. Privileges are global: the lab has no permissions by object.
type accounts struct {
	mu sync.Mutex
	by map[string]*account
}

type account struct {
	Password string `json:"password"`
	ReadOnly bool   `json:"readOnly"`
	denied   map[string]bool
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

// may tells whether a user holds a privilege. The simulator's calls to itself have no user and may do everything.
func (a *accounts) may(user, privilege string) bool {
	if user == "" || strings.HasPrefix(privilege, "System.") {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.by[user]
	return account != nil && !account.ReadOnly && !account.denied[privilege]
}

// check is the fault for a call that its user may not make, else nil.
func (a *accounts) check(ctx *simulator.Context, method *simulator.Method) types.BaseMethodFault {
	if ctx.Session == nil {
		return nil
	}
	for _, need := range needs(ctx, method) {
		if !a.may(ctx.Session.UserName, need.privilege) {
			// Without missingPrivileges: clients that speak API 7.0 cannot read it.
			return &types.NoPermission{Object: &need.entity, PrivilegeId: need.privilege}
		}
	}
	return nil
}
