// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package account knows passwords, sign-in tokens and sessions.
package account

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// iterations is far too low for a real site: seeding 20,000 accounts must not
// take minutes.
const iterations = 100

// HashPassword hashes with a salt; an empty salt is made at random.
func HashPassword(password, salt string) (string, error) {
	if salt == "" {
		salt = rand.Text()
	}
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), iterations, 32)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return fmt.Sprintf("pbkdf2$%d$%s$%s", iterations, salt, hex.EncodeToString(key)), nil
}

// PasswordFits checks a password against its hash.
func PasswordFits(password, hash string) bool {
	fields := strings.Split(hash, "$")
	if len(fields) != 4 || fields[0] != "pbkdf2" {
		return false
	}
	rounds, err := strconv.Atoi(fields[1])
	if err != nil || rounds < 1 {
		return false
	}
	key, err := pbkdf2.Key(sha256.New, password, []byte(fields[2]), rounds, 32)
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(key)), []byte(fields[3])) == 1
}
