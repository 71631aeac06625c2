package wire

import "unicode/utf8"

// Cut returns the first n bytes of s, or up to three less, so that no character is
// cut in two: for what is echoed, logged or sent where there is room for n bytes.
// If s is not UTF-8, Cut returns exactly n bytes.
func Cut[T ~string | ~[]byte](s T, n int) string {
	if len(s) <= n {
		return string(s)
	}
	for end := n; end >= 0 && end > n-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return string(s[:end])
		}
	}
	return string(s[:n])
}
