//go:build !unix

package wsconn

import "errors"

// nonblocking says that reads and writes can't be tried without waiting: each
// connection waits for its own.
const nonblocking = false

func tryRead(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

func tryWrite(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
