package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// maxOrderBytes is the longest body of an order: what one message may be.
const maxOrderBytes = 64 << 10

// Order is the body of an order.
type Order struct {
	Room string          `json:"room"`
	ID   string          `json:"id,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

// carryOut reads an order, has the hub carry it out, and answers with {}.
func (a *API) carryOut(w http.ResponseWriter, r *http.Request, name string, do func(ctx context.Context, o Order) error) {
	var o Order
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		fail(w, http.StatusBadRequest, "the body is not an order: "+err.Error())
		return
	}
	room, validRoom := wire.NormalRoom(o.Room)
	id, validID := wire.NormalID(o.ID)
	switch {
	case !validRoom:
		fail(w, http.StatusBadRequest, "\"room\" is not a room's name")
		return
	case name == "kick" && !validID:
		fail(w, http.StatusBadRequest, "\"id\" is not a member's id")
		return
	case name == "message" && len(o.Data) == 0:
		fail(w, http.StatusBadRequest, "\"data\" is missing")
		return
	case !utf8.Valid(o.Data):
		fail(w, http.StatusBadRequest, "\"data\" is not UTF-8")
		return
	}
	o.Room, o.ID = room, id
	err := do(r.Context(), o)
	var refusal *wire.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Code == wire.CodeTargetNotFound:
		fail(w, http.StatusNotFound, refusal.Text)
		return
	case errors.As(err, &refusal):
		fail(w, http.StatusBadRequest, refusal.Text)
		return
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	a.log(r, name, o)
	reply(w, http.StatusOK, struct{}{})
}

func (a *API) log(r *http.Request, name string, o Order) {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	fields := []zap.Field{zap.String("order", name), zap.String(event.FieldRemote, remote)}
	if o.Room != "" {
		fields = append(fields, zap.String(event.FieldRoom, o.Room))
	}
	if o.ID != "" {
		fields = append(fields, zap.String(event.FieldID, o.ID))
	}
	a.options.Logger.Info(EventOrder, fields...)
}

func (a *API) kick(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "kick", func(ctx context.Context, o Order) error { return a.options.Hub.Kick(ctx, o.Room, o.ID) })
}

func (a *API) lock(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "lock", func(ctx context.Context, o Order) error { return a.options.Hub.Lock(ctx, o.Room) })
}

func (a *API) unlock(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "unlock", func(ctx context.Context, o Order) error { return a.options.Hub.Unlock(ctx, o.Room) })
}

func (a *API) closeRoom(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "close", func(ctx context.Context, o Order) error { return a.options.Hub.CloseRoom(ctx, o.Room) })
}

func (a *API) message(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "message", func(ctx context.Context, o Order) error {
		return a.options.Hub.Announce(ctx, o.Room, o.Data)
	})
}

// drain begins the end of the server.
func (a *API) drain(w http.ResponseWriter, r *http.Request) {
	a.log(r, "drain", Order{})
	a.options.Drain()
	reply(w, http.StatusAccepted, struct{}{})
}

// Reloaded is the answer to an order to read the settings again.
type Reloaded struct {
	Changed []string `json:"changed"`
	Restart []string `json:"restart"`
}

// reload has the settings read again.
func (a *API) reload(w http.ResponseWriter, r *http.Request) {
	a.log(r, "reload", Order{})
	taken, restart, err := a.options.Reload()
	if err != nil {
		fail(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	reply(w, http.StatusOK, Reloaded{append([]string{}, taken...), append([]string{}, restart...)})
}
