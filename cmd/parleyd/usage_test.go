package main

import (
	"strings"
	"testing"
)

// Whoever uses a command wrongly is told how it is used.
func TestWrongUseSaysTheRightOne(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // in the error
	}{
		{"check", "parleyd check FILE"},
		{"check a b", "parleyd check FILE"},
		{"doctor", "parleyd doctor URL"},
		{"admin kick garden", "parleyd admin kick ROOM ID"},
		{"--lisen :8080", "parleyd --help"},
		{"--rate fast", "parleyd --help"},
		{"admin rooms --srt members", "parleyd admin rooms --help"},
		{"admin rooms --server http://127.0.0.1:1", "--admin-listen"},
	} {
		t.Run(c.args, func(t *testing.T) {
			root := newRoot()
			root.SetArgs(strings.Fields(c.args))
			if err := root.Execute(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}
