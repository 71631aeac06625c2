package main

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/logsink"
)

// The events that the daemon itself logs; those of rooms and connections stand in
// packages hub/event and wsconn.
const (
	eventStart          = "start"               // version, addresses, limits
	eventDrain          = "drain"               // signal, connections
	eventStopped        = "stopped"             // complete: every connection had ended
	eventFailed         = "failed"              // error
	eventHTTPError      = "http error"          // error: a request that could not be served
	eventNoDescriptor   = "no descriptor left"  // error, connections: so many were refused since the last such line
	eventLogDropped     = "log dropped"         // lines
	eventTLSReloaded    = "tls reloaded"        // not_after
	eventTLSFailed      = "tls not reloaded"    // error: the old certificate stays
	eventSecretReloaded = "secret reloaded"     // setting
	eventSecretFailed   = "secret not reloaded" // setting, error: the old one stays
	eventNotKept        = "state not kept"      // setting, error: it lasts until the end of this process
	eventReloaded       = "config reloaded"     // changed, restart: the settings that were taken over, and that need a restart
	eventNotReloaded    = "config not reloaded" // error: nothing has changed
	eventNotifyFailed   = "notify failed"       // error: the service manager was not told
	eventLogLevel       = "log level"           // log_level
)

// Names of fields in these lines.
const (
	fieldChanged     = "changed"
	fieldComplete    = "complete"
	fieldConnections = "connections"
	fieldError       = "error"
	fieldLines       = "lines"
	fieldLogLevel    = "log_level"
	fieldNotAfter    = "not_after"
	fieldRestart     = "restart"
	fieldSetting     = "setting"
	fieldSignal      = "signal"
)

// logFlush is how long the last lines may take to be written at the end.
const logFlush = time.Second

// logs is the daemon's logger with what it writes through.
type logs struct {
	*zap.Logger

	level zap.AtomicLevel
	sink  *logsink.Sink
}

func newLogs(c *config.Config, w io.Writer) *logs {
	encoding := zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", MessageKey: "msg",
		EncodeTime: func(t time.Time, e zapcore.PrimitiveArrayEncoder) {
			e.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
		},
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.SecondsDurationEncoder,
		LineEnding:     "\n",
	}
	encoder := zapcore.NewJSONEncoder(encoding)
	if c.LogFormat == "console" {
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil {
		panic(err) // config has checked it
	}
	l := &logs{level: zap.NewAtomicLevelAt(level)}
	l.sink = logsink.New(w, func(n uint64) []byte {
		line, err := encoder.EncodeEntry(
			zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: eventLogDropped},
			[]zapcore.Field{zap.Uint64(fieldLines, n)},
		)
		if err != nil {
			return nil
		}
		return line.Bytes()
	})
	l.Logger = zap.New(zapcore.NewCore(encoder, l.sink, l.level))
	return l
}

func (l *logs) close() { l.sink.Close(logFlush) }
