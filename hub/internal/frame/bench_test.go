package frame

import (
	"fmt"
	"testing"

	"github.com/parley-rtc/parley/hub/wire"
)

// BenchmarkMembers encodes a list of members.
func BenchmarkMembers(b *testing.B) {
	for _, n := range []int{3, 100, 500} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			id := wire.AppendQuoted(nil, "member-0001")
			b.ReportAllocs()
			for b.Loop() {
				m := NewMembers("garden", n*(len(id)+1))
				for range n {
					m.Add(id, "", nil)
				}
				m.Frame(false).Release()
			}
		})
	}
}
