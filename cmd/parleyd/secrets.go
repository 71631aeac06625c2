package main

import (
	"bytes"
	"fmt"
	"os"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
)

// newSecret returns what reads the secret in the file that a setting names, again
// when the file has changed; nil if the setting names none. parse makes of the
// text, without the white space around, what is needed.
func newSecret(setting, file string, parse func(string) ([]byte, error), log *zap.Logger) (func() []byte, error) {
	if file == "" {
		return nil, nil
	}
	load := func() ([]byte, error) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			return nil, fmt.Errorf("%s is empty", file)
		}
		return parse(string(text))
	}
	told := func(_ []byte, err error) {
		if err != nil {
			log.Error(eventSecretFailed, zap.String(fieldSetting, setting), zap.Error(err))
			return
		}
		log.Info(eventSecretReloaded, zap.String(fieldSetting, setting))
	}
	secret, err := reload.New(load, told, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return secret.Get, nil
}

// asItIs is for secrets of any form.
func asItIs(text string) ([]byte, error) { return []byte(text), nil }
