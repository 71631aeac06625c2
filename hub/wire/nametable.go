package wire

// nameTable finds what has a name, for a few dozen short names: as fast as a
// switch, and filled from the table in which the names stand.
type nameTable struct {
	slots [128]struct {
		name  string
		value uint32
	}
}

// nameHash is where the search for a name begins. The names of the protocol have a
// slot of their own each.
func nameHash[T ~string | ~[]byte](name T) uint {
	return uint(name[0])*3 + uint(name[len(name)-1])*5 + uint(len(name))
}

// add puts in a name that is not empty.
func (t *nameTable) add(name string, value uint32) {
	h := nameHash(name)
	for t.slots[h%uint(len(t.slots))].name != "" {
		h++
	}
	slot := &t.slots[h%uint(len(t.slots))]
	slot.name, slot.value = name, value
}

// find returns the value of a name; 0 if there is none.
func find[T ~string | ~[]byte](t *nameTable, name T) uint32 {
	if len(name) == 0 {
		return 0
	}
	for h := nameHash(name); ; h++ {
		slot := &t.slots[h%uint(len(t.slots))]
		if slot.name == string(name) {
			return slot.value
		}
		if slot.name == "" {
			return 0
		}
	}
}
