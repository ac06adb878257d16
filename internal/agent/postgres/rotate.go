// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// iterations is what PostgreSQL itself uses.
const iterations = 4096

// RotatePassword gives a role a new password and proves it by signing in.
func RotatePassword(ctx context.Context, spec task.RotatePassword, p *evidence.Page) error {
	password, err := newPassword(spec.PasswordFile, p)
	if err != nil {
		return err
	}
	t, err := Resolve(spec.Database, &p.Scrubber)
	if err != nil {
		return err
	}
	fresh := t
	fresh.User, fresh.Password = spec.Role, password
	if spec.Role == t.User {
		// An earlier run may have got so far: then the old password is of no use any more.
		if c, err := connect(ctx, fresh, false); err == nil && password != t.Password && !trusts(ctx, fresh) {
			p.Fact("role", spec.Role)
			return c.Close(ctx)
		}
	}
	verifier, err := scram(password)
	if err != nil {
		return err
	}
	p.Add(verifier)
	c, err := connect(ctx, t, true)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "ALTER ROLE "+ident(spec.Role)+" PASSWORD "+literal(verifier)); err != nil {
		return failed(err, "set the password of %s", spec.Role)
	}
	n, err := connect(ctx, fresh, false)
	if err != nil {
		return err
	}
	p.Fact("role", spec.Role)
	return n.Close(ctx)
}

// newPassword reads the password and refuses one that is not fit; it is scrubbed from then on.
func newPassword(path string, p *evidence.Page) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", task.FailBecause(err, "CredentialsMissing", "read the new password")
	}
	password := strings.TrimSpace(string(b))
	p.Add(password)
	if len(password) < 12 {
		return "", task.Fail(task.InvalidTask, "the new password has fewer than 12 characters")
	}
	for _, r := range password {
		if r < 0x20 || r > 0x7e { // others would need SASLprep
			return "", task.Fail(task.InvalidTask, "the new password has a character that is not printable ASCII")
		}
	}
	return password, nil
}

// trusts tells whether the server lets anybody in, when a sign-in proves nothing.
func trusts(ctx context.Context, t Target) bool {
	t.Password = rand.Text()
	c, err := connect(ctx, t, false)
	if err != nil {
		return false
	}
	_ = c.Close(ctx)
	return true
}

// scram makes the verifier that the server stores (RFC 5802, RFC 7677).
func scram(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive key: %w", err)
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(
		"SCRAM-SHA-256$%d:%s$%s:%s",
		iterations,
		b64(salt),
		b64(stored[:]),
		b64(sign(salted, "Server Key")),
	), nil
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
