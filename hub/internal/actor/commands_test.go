package actor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// everyCommand has one of each exported type of command, as it may come from a connection with
// so little in it as can be.
func everyCommand() []Command {
	p := ForwardParts{Frame: frame.Text(nil)}
	text := func() *frame.Frame { return frame.Text(nil) }
	return []Command{
		Register{}, Unregister{}, Deregister{}, Fence{}, CaughtUp{}, Leave{}, Own{}, Depart{}, Handled{},
		&Join{Welcome: text()}, &Resume{}, p.Forward(), &Rename{}, &Update{}, &Renew{Frame: text()}, &Report{Report: new(wire.Report)},
		&Reply{Frame: text()}, &Count{Frame: text()}, &Refuse{Refusal: new(wire.Refusal)}, &Kick{}, &Lock{},
		&Disconnect{}, &Detach{}, &GoAway{}, &Again{}, &Announce{}, &CloseRoom{}, &Batch{}, &Restore{}, &Export{},
	}
}

// noClient are the commands that no connection gives, and why.
var noClient = map[string]string{
	"Own": "of an owner", "Depart": "of an owner, for a membership without a connection", "Handled": "of an owner", "Again": "of an owner",
	"Batch": "of an owner", "Restore": "of an owner", "Export": "of an owner", "Announce": "of those who run the server",
	"CloseRoom": "of those who run the server",
}

// small are the texts that need not count for a command's size, and why.
var small = map[string]string{
	"Disconnect.Text": "the server's own", "Disconnect.Reason": "likewise", "Detach.Text": "likewise", "Detach.Reason": "likewise",
	"Unregister.Reason": "likewise", "Kick.Order.Room": "of those who run the server", "Lock.Order.Room": "likewise",
	"Refuse.Room": "at most wire.MaxName", "Refuse.ID": "at most wire.MaxID",
}

// Whoever adds a command says whose it is, and has all that it holds count while it waits.
func TestEveryCommand(t *testing.T) {
	known := map[string]Command{}
	for _, c := range everyCommand() {
		known[reflect.Indirect(reflect.ValueOf(c)).Type().Name()] = c
	}
	for _, name := range commandTypes(t) {
		c := known[name]
		delete(known, name)
		if c == nil {
			t.Errorf("everyCommand has no %s", name)
			continue
		}
		if reflect.TypeOf(c).Kind() != reflect.Pointer {
			p := reflect.New(reflect.TypeOf(c)) // of which the fields can be set
			p.Elem().Set(reflect.ValueOf(c))
			checkCommand(t, name, p.Elem())
			continue
		}
		checkCommand(t, name, reflect.ValueOf(c).Elem())
	}
	for name := range known {
		t.Errorf("there is no command %s", name)
	}
}

// checkCommand sees that ClientOf and SizeOf know a command.
func checkCommand(t *testing.T, name string, v reflect.Value) {
	command := func() Command {
		if c, ok := v.Interface().(Command); ok {
			return c
		}
		return v.Addr().Interface().(Command)
	}
	if name == "Forward" { // its fields are not exported
		c := new(Client)
		small, large := ForwardParts{Client: c, Frame: frame.Text(nil)}, ForwardParts{Frame: frame.Text(make([]byte, 1000))}
		if ClientOf(small.Forward()) != c || SizeOf(large.Forward()) < SizeOf(small.Forward())+700 {
			t.Error("a Forward is of nobody, or its frame does not count")
		}
		return
	}
	client, empty := new(Client), SizeOf(command())
	if of := v.FieldByName("Client"); of.IsValid() {
		of.Set(reflect.ValueOf(client))
	}
	if got := ClientOf(command()); (got == client) != (noClient[name] == "") {
		t.Errorf("ClientOf a %s is %p, and its client %p; it is %q", name, got, client, noClient[name])
	}
	if noClient[name] != "" {
		return
	}
	eachText(v, name, func(field string) {
		if n := SizeOf(command()); (n < empty+700) != (small[field] != "") {
			t.Errorf("with 1,000 bytes in %s the size is %d, and without %d; it is %q", field, n, empty, small[field])
		}
	})
}

// eachText calls f with each text, and each frame, of a struct in turn made 1,000 bytes long.
func eachText(v reflect.Value, name string, f func(field string)) {
	large := make([]byte, 1000)
	for i := range v.NumField() {
		to, field := v.Field(i), name+"."+v.Type().Field(i).Name
		if !to.CanSet() {
			continue
		}
		before := reflect.New(to.Type()).Elem()
		before.Set(to)
		switch to.Interface().(type) {
		case string:
			to.SetString(string(large))
		case []byte:
			to.SetBytes(large)
		case *frame.Frame:
			to.Set(reflect.ValueOf(frame.Text(large)))
		case frame.Refused, Order:
			eachText(to, field, f)
			continue
		case *wire.Refusal:
			if !to.IsNil() {
				texts := to.Elem()
				for _, of := range []string{"Text", "Needs"} {
					texts.FieldByName(of).SetString(string(large))
					f(field + "." + of)
					texts.FieldByName(of).SetString("")
				}
			}
			continue
		default:
			continue
		}
		f(field)
		to.Set(before)
	}
}

// commandTypes returns the exported types of this package that are commands.
func commandTypes(t *testing.T) (names []string) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || m.Name.Name != "apply" {
				continue
			}
			of := m.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if name, ok := of.(*ast.Ident); ok && name.IsExported() {
				names = append(names, name.Name)
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("there are no commands")
	}
	return names
}
