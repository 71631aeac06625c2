//go:build !unix

package relay

// lacksFamily takes any failure for a family that the system does not have.
func lacksFamily(error) bool { return true }
