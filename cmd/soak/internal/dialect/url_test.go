package dialect

import (
	"net/url"
	"testing"
)

// The address of a member names its room's partition, beside what the address of the server says.
func TestHinted(t *testing.T) {
	base, err := url.Parse("wss://example.org/base/ws?token=x")
	if err != nil {
		t.Fatal(err)
	}
	u := dialects["parley"].URL(base, "Füße 🚪", "ann")
	q := u.Query()
	if u.Host != "example.org" || u.Path != "/base/ws" || q.Get("token") != "x" || q.Get("room") != "130" {
		t.Error(u)
	}
	if base.RawQuery != "token=x" {
		t.Errorf("the server's address has become %s", base)
	}
}
