package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// afterExpiry is how long allocations can be refreshed with credentials that have
// expired, whoever has them. After that their id has to be a member's.
const afterExpiry = time.Hour

// authenticate looks up the key of a user name, as package ice makes it. A new
// allocation needs credentials that are good now. One that exists goes on with those
// that it was made with: they may have expired, and their secret may have been replaced.
func (s *Server) authenticate(r *turn.RequestAttributes) (id string, key []byte, ok bool) {
	until, name, id, ok := ice.User(r.Username)
	secret, former := s.secrets.find(name)
	late := time.Since(until)
	switch {
	case !ok || secret == nil:
		ok = false
	case r.Method == stun.MethodAllocate:
		ok = late <= 0 && !former
	default: // the request is refused if there is no allocation of this id
		ok = late <= afterExpiry || s.options.Present != nil && s.options.Present(id)
	}
	if !ok {
		s.Stats.Unauthorized.Add(1)
		return "", nil, false
	}
	return id, turn.GenerateAuthKey(r.Username, r.Realm, ice.Password(secret, r.Username)), true
}

// authenticated is told of every request whose user name was not refused.
func (s *Server) authenticated(client, _ net.Addr, _, _, _, _ string, good bool) {
	if !good {
		s.Stats.Unauthorized.Add(1)
		return
	}
	s.streams.authenticated(client)
}

// quota says whether an id at an address may have one more allocation.
func (s *Server) quota(id, _ string, client net.Addr) bool {
	if s.users.mayAllocate(id) && s.addresses.mayAllocate(client) {
		return true
	}
	s.Stats.OverQuota.Add(1)
	s.often.Do(func() { s.log.Info(EventQuota, zap.String("id", id)) })
	return false
}

// addresses counts the allocations of each client address.
type addresses struct {
	most int // 0: no limit

	mu   sync.Mutex
	have map[netip.Addr]int // guarded by mu
}

func (a *addresses) mayAllocate(client net.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most == 0 || a.have[limit.Network(addrOf(client), customerBits)] < a.most
}

func (a *addresses) count(client net.Addr, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := limit.Network(addrOf(client), customerBits)
	if a.have[k] += n; a.have[k] <= 0 {
		delete(a.have, k)
	}
}

// customerBits is the length of the IPv6 prefix that counts as one address.
const customerBits = 64

// users counts what each id has and uses.
type users struct {
	maxAllocations int // 0: no limit
	perSecond      int // bytes; 0: no limit

	mu  sync.Mutex
	ids map[string]*user // that have allocations; guarded by mu
}

// user is an id with allocations.
type user struct {
	allocations int // guarded by the mu of users

	bytes *rate.Limiter // that are relayed: a second's worth at once
}

func newUsers(maxAllocations, bytesPerSecond int) *users {
	return &users{maxAllocations: maxAllocations, perSecond: bytesPerSecond, ids: make(map[string]*user)}
}

func (u *users) mayAllocate(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	have := u.ids[id]
	return u.maxAllocations == 0 || have == nil || have.allocations < u.maxAllocations
}

// allocated counts an allocation, or returns nil if there may not be one more.
func (u *users) allocated(id string) *user {
	u.mu.Lock()
	defer u.mu.Unlock()
	have := u.ids[id]
	if have == nil {
		have = &user{bytes: rate.NewLimiter(rate.Limit(u.perSecond), u.perSecond)}
		u.ids[id] = have
	}
	if u.maxAllocations > 0 && have.allocations >= u.maxAllocations {
		return nil
	}
	have.allocations++
	return have
}

func (u *users) released(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if have := u.ids[id]; have != nil {
		if have.allocations--; have.allocations == 0 {
			delete(u.ids, id)
		}
	}
}

// take reports whether n more bytes may be relayed for the user.
func (u *users) take(who *user, n int) bool {
	return u.perSecond == 0 || who.bytes.AllowN(time.Now(), n)
}
