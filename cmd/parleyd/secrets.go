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
	told := func(_ []byte, err error) { toldOfSecret(log, setting, err) }
	secret, err := reload.New(load, told, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return secret.Get, nil
}

// toldOfSecret logs that the file of a setting was read again, or could not be.
func toldOfSecret(log *zap.Logger, setting string, err error) {
	if err != nil {
		log.Error(eventSecretFailed, zap.String(fieldSetting, setting), zap.Error(err))
		return
	}
	log.Info(eventSecretReloaded, zap.String(fieldSetting, setting))
}

// asItIs is for secrets of any form.
func asItIs(text string) ([]byte, error) { return []byte(text), nil }

// newSecrets is newSecret for a file with a secret on each line; the first is used, and
// all are accepted.
func newSecrets(setting, file string, log *zap.Logger) (func() [][]byte, error) {
	text, err := newSecret(setting, file, asItIs, log)
	if text == nil || err != nil {
		return nil, err
	}
	return func() (list [][]byte) {
		for line := range bytes.Lines(text()) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				list = append(list, line)
			}
		}
		return list
	}, nil
}
