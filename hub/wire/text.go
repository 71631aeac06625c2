package wire

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// Rooms, ids and nicknames are compared by their bytes, so each text that people
// can read has one normal form: Unicode's NFC, in which every space is U+0020 and
// an emoji has no variation selector that changes nothing.
//
// The rules follow RFC 8265 (OpaqueString) and RFC 8266, whose case and width are
// kept, too. Where they do not fit, this package has its own, as strict: the
// profiles of package precis refuse emoji that are spelled with joiners and
// selectors, the middle dot and the Arabic tatweel; and they let in blank
// symbols, marks with nothing to stand on, and spaces at the ends.

// maxShrink is how many times shorter the normal form of a text can be: the Kelvin
// sign, the wide space and Hangul have the most.
const maxShrink = 3

// maxUnnormal is how long a text can be that may have the normal form of a name.
const maxUnnormal = maxShrink * MaxRoom

// Normal returns the normal form of a room, id or nickname: b itself, unless it
// has to be changed. A text that cannot be a name, because it is too long or not UTF-8,
// comes back as it is.
func Normal(b []byte) []byte {
	if isASCII(b) || len(b) > maxUnnormal || !utf8.Valid(b) {
		return b
	}
	if !norm.NFC.IsNormal(b) {
		b = norm.NFC.Bytes(b)
	}
	if !needsMapping(b) {
		return b
	}
	out := make([]byte, 0, len(b))
	last := rune(-1)
	for i, r := range string(b) {
		if r == emojiVS && selectsNothing(last, b[i+len(string(emojiVS)):]) {
			continue
		}
		if unicode.Is(unicode.Zs, r) {
			r = ' '
		}
		out = utf8.AppendRune(out, r)
		last = r
	}
	return out
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// needsMapping finds spaces other than U+0020, and selectors behind emoji that
// need none. The characters that it looks for begin with one of five bytes.
func needsMapping(b []byte) bool {
	for i, c := range b {
		switch c {
		case 0xC2, 0xE1, 0xE2, 0xE3:
			if r, _ := utf8.DecodeRune(b[i:]); unicode.Is(unicode.Zs, r) {
				return true
			}
		case 0xEF:
			r, _ := utf8.DecodeRune(b[i:])
			last, _ := utf8.DecodeLastRune(b[:i])
			if r == emojiVS && selectsNothing(last, b[i+len(string(emojiVS)):]) {
				return true
			}
		}
	}
	return false
}

// selectsNothing reports whether a selector for emoji between last and rest changes
// nothing: last is shown as an emoji anyway, or a skin tone behind it asks for one.
func selectsNothing(last rune, rest []byte) bool {
	tone, _ := decode(rest)
	return unicode.Is(colorEmoji, last) || isEmoji(last) && isSkinTone(tone)
}

// fault is what is wrong with a text.
type fault uint8

const (
	noFault fault = iota
	faultLength
	faultSpace // at one end
	faultRune
)

// checkText returns the normal form of b and, if it is no room, id or nickname of
// at most limit bytes, what is wrong with it; with faultRune, the character.
func checkText(b []byte, limit int) (text []byte, f fault, bad rune) {
	if len(b) > maxShrink*limit {
		return b, faultLength, 0
	}
	b = Normal(b)
	switch {
	case len(b) == 0 || len(b) > limit:
		return b, faultLength, 0
	case b[0] == ' ' || b[len(b)-1] == ' ':
		return b, faultSpace, 0
	}
	for i, c := range b {
		if c >= utf8.RuneSelf {
			// The last character may be the base of what follows.
			return checkUnicode(b, max(i-1, 0))
		}
		if c < ' ' || c == 0x7f {
			return b, faultRune, rune(c)
		}
	}
	return b, noFault, 0
}

// checkUnicode looks at what follows i, where a character begins.
func checkUnicode(b []byte, i int) (text []byte, f fault, bad rune) {
	standing := false // something stands before i that a mark can be on
	for i < len(b) {
		if n := emojiSequence(b[i:]); n > 0 {
			i += n
			standing = true
			continue
		}
		r, size := decode(b[i:])
		switch {
		case r == zwnj || r == zwj:
			if !joinerFits(b, i) {
				return b, faultRune, r
			}
		case !isVisible(r) || isMark(r) && !standing:
			return b, faultRune, r
		default:
			standing = r != ' '
		}
		i += size
	}
	return b, noFault, 0
}

// decode is utf8.DecodeRune with -1 for what is not UTF-8, and for the end.
func decode(s []byte) (rune, int) {
	r, size := utf8.DecodeRune(s)
	if r == utf8.RuneError && size < 2 {
		return -1, size
	}
	return r, size
}

// blanks are characters that Unicode counts among the visible ones and that show
// nothing, or stand for what cannot be shown.
var blanks = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x2800, 0x2800, 1}, // Braille pattern without dots
		{0xFFFC, 0xFFFD, 1}, // replacements of objects and of broken text
	},
	R32: []unicode.Range32{
		{0x16FE4, 0x16FE4, 1}, // Khitan filler
		{0x1D159, 0x1D159, 1}, // null note head
	},
}

// isVisible accepts letters, marks, numbers, punctuation, symbols and the space,
// but for those that show nothing.
func isVisible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, blanks)
}

// isMark finds characters that are drawn onto the one before: marks, and the
// vowels and final consonants that Hangul syllables are made of.
func isMark(r rune) bool {
	return unicode.Is(unicode.M, r) || r >= 0x1160 && r <= 0x11FF || r >= 0xD7B0 && r <= 0xD7FF
}

// joiners are the rules of RFC 5892, A.1 and A.2, for where a joiner changes how a
// script is written.
var joiners = precis.NewFreeform()

// joinerFits reports whether the joiner at b[i] stands where it changes something:
// by the rules of RFC 5892, and behind the letter ra of Bengali and Kannada,
// before a virama.
func joinerFits(b []byte, i int) bool {
	start, end := i, i
	for start > 0 {
		r, size := utf8.DecodeLastRune(b[:start])
		if !isWord(r) {
			break
		}
		start -= size
	}
	for end < len(b) {
		r, size := utf8.DecodeRune(b[end:])
		if !isWord(r) {
			break
		}
		end += size
	}
	word := b[start:end]
	joiner, size := utf8.DecodeRune(b[i:])
	next, _ := decode(b[i+size : end])
	if joiner == zwnj && next == -1 {
		return false // nothing follows that it could keep apart
	}
	// Joiners behind ra fit: whether the others of the word do is left to be asked.
	for _, s := range [...]string{"\u09B0\u200D\u09CD", "\u0CB0\u200D\u0CCD"} {
		word = bytes.ReplaceAll(word, []byte(s), []byte(s[:3]+s[6:]))
	}
	_, err := joiners.Bytes(word)
	return err == nil
}

// isWord tells what a joiner can be between.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) || r == zwnj || r == zwj
}
