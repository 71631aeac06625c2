package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// People write their names, and those of their rooms, in their own language.
func TestNamesOfAllLanguages(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"one letter", "a"},
		{"English", "Ann Lee"},
		{"two spaces inside", "Ann  Lee"},
		{"digits", "42"},
		{"punctuation", "o'neil@example.org"},
		{"markup", "<script>"},
		{"dots alone", "..."},
		{"French", "Zoë Lefèvre"},
		{"Catalan with its dot", "Gal·la"},
		{"a dot between words", "Anna · Berlin"},
		{"Czech", "Dvořák"},
		{"Turkish", "İbrahim Iğdır"},
		{"Vietnamese", "Nguyễn Thị Ánh"},
		{"Yoruba with marks", "Ọláyínká́"},
		{"Greek", "Ἀλέξανδρος"},
		{"Russian", "Анна Фёдорова"},
		{"Georgian", "ნინო"},
		{"Armenian", "Անի"},
		{"Hebrew", "נִקּוּד"},
		{"Hebrew with geresh", "צ׳רצ׳יל"},
		{"Arabic", "محمد"},
		{"Arabic with vowels", "مُحَمَّد"},
		{"Arabic, stretched", "محـــمد"},
		{"Persian with non-joiner", "علی\u200cرضا"},
		{"Persian room with non-joiner", "آب\u200cانبار"},
		{"Persian prefix", "می\u200cخواهم"},
		{"Persian with a mark before the non-joiner", "علیِ\u200cرضا"},
		{"Urdu", "عائشہ"},
		{"Hindi", "आरती शर्मा"},
		{"Hindi with joiner", "क्\u200dष"},
		{"Hindi with non-joiner", "क्\u200cष"},
		{"Marathi eyelash ra", "दऱ्\u200dया"},
		{"Nepali", "गर्\u200dयो"},
		{"Sinhala with joiner", "ශ්\u200dරී ලංකා"},
		{"Malayalam", "മലയാളം"},
		{"Malayalam chillu of old spelling", "അവന്\u200d"},
		{"Bengali", "রহিম"},
		{"Bengali ya-phalaa behind ra", "র\u200d্যাব"},
		{"Kannada ra with joiner", "ರ\u200d್ಕ"},
		{"Kannada with non-joiner", "ರಾಜ್\u200cಕುಮಾರ್"},
		{"Tamil", "தமிழ்"},
		{"Telugu", "తెలుగు"},
		{"Gujarati", "ગુજરાતી"},
		{"Punjabi", "ਪੰਜਾਬੀ"},
		{"Thai", "สมชาย"},
		{"Lao", "ລາວ"},
		{"Khmer", "សុខា"},
		{"Burmese", "အောင်ဆန်း"},
		{"Tibetan", "བོད་ཡིག"},
		{"Mongolian", "ᠮᠣᠩᠭᠣᠯ"},
		{"Amharic", "አበበ"},
		{"Tifinagh", "ⵜⵉⴼⵉⵏⴰⵖ"},
		{"Cherokee", "ᏣᎳᎩ"},
		{"Inuktitut", "ᐃᓄᒃᑎᑐᑦ"},
		{"Korean", "김민준"},
		{"Korean letters alone", "ㅋㅋㅋ"},
		{"old Korean", "ᄒᆞᆫ글"},
		{"Japanese", "山田 太郎"},
		{"Japanese with the katakana dot", "ジョン・スミス"},
		{"Japanese, half width", "ﾔﾏﾀﾞ"},
		{"Chinese", "王小明"},
		{"Chinese outside the first plane", "𠮷野家"},
		{"Gothic", "𐍅𐌿𐌻𐍆𐌹𐌻𐌰"},
		{"mathematical letters", "𝔄𝔫𝔫"},
		{"currency", "€uro"},
		{"arrows", "a→b"},
		{"a face", "😀"},
		{"a heart in color", "❤\ufe0f"},
		{"a heart as text", "❤"},
		{"skin tone", "👍🏽"},
		{"a profession", "👩\u200d💻 Ann"},
		{"a profession with the lightest tone", "👩🏻\u200d🚀"},
		{"a profession with the darkest tone", "👩🏿\u200d🚀"},
		{"a gendered sport", "🏋🏽\u200d♀\ufe0f"},
		{"a detective", "🕵\ufe0f\u200d♂\ufe0f"},
		{"a family", "👨\u200d👩\u200d👧\u200d👦"},
		{"a couple", "👩\u200d❤\ufe0f\u200d💋\u200d👨"},
		{"a flag of two letters", "🇮🇷"},
		{"the rainbow flag", "🏳\ufe0f\u200d🌈"},
		{"the pirate flag", "🏴\u200d☠\ufe0f"},
		{"the black flag", "🏴"},
		{"England", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"},
		{"Scotland in a text", "Team 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f 1"},
		{"Wales", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"},
		{"a keycap", "1\ufe0f\u20e3"},
		{"the first keycap", "0\ufe0f\u20e3"},
		{"the last keycap", "9\ufe0f\u20e3"},
		{"the star keycap", "*\ufe0f\u20e3"},
		{"a keycap behind text", "room 9\ufe0f\u20e3!"},
		{"the hash keycap", "#\ufe0f\u20e3"},
		{"trade mark in color", "Parley™\ufe0f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, form := range []string{c.text, norm.NFC.String(c.text), norm.NFD.String(c.text)} {
				if _, ok := NormalRoom(form); !ok {
					t.Errorf("%+q is no room", form)
				}
			}
			id, ok := NormalID(c.text)
			if again, _ := NormalID([]byte(norm.NFD.String(c.text))); !ok || again != id {
				t.Errorf("as an id %+q, with decomposed letters %+q", id, again)
			}
			if name, ok := NormalName(c.text); !ok || name != norm.NFC.String(c.text) {
				t.Errorf("as a nickname %+q", name)
			}
		})
	}
}

// Two spellings of a text are one name; two texts that people can tell apart are
// two.
func TestOneSpelling(t *testing.T) {
	for _, c := range []struct{ name, a, b string }{
		{"accents", "Café", "Cafe\u0301"},
		{"order of marks", "q\u0323\u0307", "q\u0307\u0323"},
		{"Hangul", "각", "\u1100\u1161\u11a8"},
		{"Kelvin", "K", "\u212a"},
		{"Angstrom", "Å", "\u212b"},
		{"no-break space", "Ann Lee", "Ann\u00a0Lee"},
		{"narrow no-break space", "12 a", "12\u202fa"},
		{"wide space", "山田 太郎", "山田\u3000太郎"},
		{"em space", "a b", "a\u2003b"},
		{"needless selector", "⭐", "⭐\ufe0f"},
		{"needless selector before a skin tone", "a ☝🏽", "a ☝\ufe0f🏽"},
		{"needless selectors", "⭐ ⚽", "⭐\ufe0f\ufe0f ⚽\ufe0f"},
		{"needless selector in a sequence", "👩\u200d💻", "👩\ufe0f\u200d💻\ufe0f"},
		{"space and accents", "é é", "e\u0301\u3000é"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, okA := NormalRoom(c.a)
			b, okB := NormalRoom(c.b)
			if !okA || !okB || a != b || a != c.a {
				t.Errorf("%+q is %+q, %+q is %+q", c.a, a, c.b, b)
			}
		})
	}
	for _, c := range [][2]string{
		{"Garden", "garden"}, {"Straße", "Strasse"}, {"a b", "a  b"}, {"ａ", "a"}, {"ﬁ", "fi"}, {"❤", "❤\ufe0f"},
		{"کتاب\u200cها", "کتابها"}, {"①", "1"}, {"ı", "i"},
	} {
		a, okA := NormalRoom(c[0])
		b, okB := NormalRoom(c[1])
		if !okA || !okB || a == b {
			t.Errorf("%+q and %+q are one room", c[0], c[1])
		}
	}
}

// The limits are on what is stored and sent: the normal form.
func TestNameLimits(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"as long as can be", strings.Repeat("x", MaxID), true},
		{"a byte too long", strings.Repeat("x", MaxID+1), false},
		{"as long as can be, decomposed", strings.Repeat("e\u0301", MaxID/2), true},
		{"a letter too long, decomposed", strings.Repeat("e\u0301", MaxID/2+1), false},
		{"a third of what came", strings.Repeat("\u212a", MaxID), true},
		{"a third of what came, and one", strings.Repeat("\u212a", MaxID) + "a", false},
		{"longer when it is normal", strings.Repeat("\u0958", MaxID/3), false},
		{"longer when it is normal, and fits", strings.Repeat("\u0958", MaxID/6), true},
	} {
		id, ok := NormalID(c.text)
		if ok != c.want || ok && len(id) > MaxID {
			t.Errorf("%s: %v, %d bytes", c.name, ok, len(id))
		}
	}
	if room, ok := NormalRoom(strings.Repeat("\u212a", MaxRoom)); !ok || room != strings.Repeat("K", MaxRoom) {
		t.Errorf("128 Kelvin signs are the room %+q", room)
	}
	if !ValidRoom(strings.Repeat("x", 128)) || ValidRoom(strings.Repeat("x", 129)) {
		t.Error("a room name has up to 128 bytes")
	}
	if !ValidName(strings.Repeat("x", 64)) || ValidName(strings.Repeat("x", 65)) {
		t.Error("a nickname has up to 64 bytes")
	}
}

// No text can be a name that is more than three times too long, so none is looked
// at: of each character, the forms that have it as their normal form are at most
// three times as long.
func TestNormalFormsShrinkToAThird(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		s := string(r)
		for _, form := range []string{s, norm.NFD.String(s)} {
			if normal := norm.NFC.String(form); len(form) > maxShrink*len(normal) {
				t.Errorf("%+q shrinks to %+q", form, normal)
			}
		}
	}
}

// Normal forms are found without work for nearly all texts.
func TestNormalLeavesBytesAlone(t *testing.T) {
	for _, s := range []string{"", "alice", "Ann  Lee ", "Zoë", "علی\u200cرضا", "👩\u200d💻", "\xff", "e\u0301\xff", strings.Repeat("e\u0301", 1000)} {
		b := []byte(s)
		if got := Normal(b); len(got) != len(b) || len(b) > 0 && &got[0] != &b[0] {
			t.Errorf("Normal(%+q) is another slice: %+q", s, got)
		}
		if n := testing.AllocsPerRun(10, func() { Normal(b) }); n > 0 {
			t.Errorf("Normal(%+q) allocates %v times", s, n)
		}
	}
	id := []byte("alice")
	if n := testing.AllocsPerRun(10, func() { checkText(id, MaxID) }); n > 0 {
		t.Errorf("checking an ASCII id allocates %v times", n)
	}
}

// The spaces that are mapped are all of Unicode's.
func TestEverySpace(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !unicode.Is(unicode.Zs, r) {
			continue
		}
		if id, ok := NormalID("a" + string(r) + "b"); !ok || id != "a b" {
			t.Errorf("%U: %+q", r, id)
		}
	}
}

// A character that RFC 8264 keeps out of free text is kept out here as well,
// unless a language or an emoji needs it.
func TestStrictAsPrecis(t *testing.T) {
	needed := []rune{0x00B7, 0x0375, 0x0640, 0x07FA, 0x30FB, 0x303B} // the middle dot, signs for numerals and repetition, letters that stretch
	allowed := precis.NewFreeform().Allowed()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if allowed.Contains(r) || !utf8.ValidRune(r) || slices.Contains(needed, r) {
			continue
		}
		conjoining := r >= 0x1100 && r <= 0x11FF || r >= 0xA960 && r <= 0xA97F || r >= 0xD7B0 && r <= 0xD7FF
		repeats := r >= 0x3031 && r <= 0x3035 || r == 0x302E || r == 0x302F
		digits := r >= 0x0660 && r <= 0x0669 || r >= 0x06F0 && r <= 0x06F9 || r == 0x05F3 || r == 0x05F4
		if s := "a" + string(r) + "a"; ValidID(s) && string(Normal([]byte(s))) == s && !conjoining && !repeats && !digits {
			t.Errorf("%U is valid", r)
		}
	}
}

// The error for a bad name tells what to change.
func TestNameRefusals(t *testing.T) {
	for _, c := range []struct {
		message, want string
		code          Code
	}{
		{`{"type":"join","room":""}`, "a room name has 1 to 128 bytes", CodeInvalidRoom},
		{`{"type":"join","room":"r "}`, "a room name has no space at either end", CodeInvalidRoom},
		{`{"type":"join","room":"r","from":"` + strings.Repeat("x", 65) + `"}`, "an id has 1 to 64 bytes", CodeInvalidID},
		{`{"type":"join","room":"r","from":"a\ud800"}`, "an id is valid UTF-8", CodeInvalidID},
		{`{"type":"join","room":"r","name":"a\u200db"}`, "a nickname cannot contain U+200D there: it is invisible, or cannot be shown", CodeInvalidName},
		{`{"type":"join","room":"\u0000"}`, "a room name cannot contain U+0000 there: it is invisible, or cannot be shown", CodeInvalidRoom},
		{`{"type":"rename","name":"\u3164"}`, "a nickname cannot contain U+3164 there: it is invisible, or cannot be shown", CodeInvalidName},
	} {
		var e Envelope
		if r := e.Parse([]byte(c.message)); r == nil || r.Text != c.want || r.Code != c.code {
			t.Errorf("%s: %v", c.message, r)
		}
	}
}

// FuzzNames sees that a normal form is its own normal form, and that a valid text
// stays valid, fits, and shows something.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{
		"Ann", "e\u0301", "علی\u200cرضا", "👩\ufe0f\u200d💻\ufe0f", "1\ufe0f\u20e3", "\u3164", "\u1100\u1161", "a\u00a0b", "क्\u200dष", "র\u200d্য",
		"a" + strings.Repeat("\u0316", 31), "\xff", strings.Repeat("\u212a", 64), "\u1160\u0300\u034f", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal := string(Normal([]byte(s)))
		if again := string(Normal([]byte(normal))); again != normal {
			t.Fatalf("the normal form of %+q is %+q, and that of this %+q", s, normal, again)
		}
		room, ok := NormalRoom(s)
		if ok != ValidRoom(s) {
			t.Fatalf("%+q: NormalRoom says %v", s, ok)
		}
		if !ok {
			return
		}
		if room != normal || !ValidRoom(normal) || len(room) > MaxRoom || !utf8.ValidString(room) {
			t.Fatalf("%+q is the room %+q, normal %+q", s, room, normal)
		}
		seen := strings.ContainsFunc(room, func(r rune) bool {
			return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
		})
		if !seen {
			t.Fatalf("%+q shows nothing", room)
		}
	})
}

func BenchmarkNormal(b *testing.B) {
	for _, s := range []string{"alice", strings.Repeat("x", 64), "Zoë", "علی\u200cرضا", "Cafe\u0301"} {
		text := []byte(s)
		b.Run(fmt.Sprintf("%+q", s), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Normal(text)
			}
		})
	}
}
