// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"time"

	"github.com/gradus-lms/gradus/test/lms/account"
	"github.com/gradus-lms/gradus/test/lms/database"
)

const (
	sessionCookie = "CampusSession"
	sessionLife   = 2 * time.Hour
)

type user struct {
	id        int64
	firstname string
	role      string
}

func setCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (s *Server) loginForm(w http.ResponseWriter, r *http.Request, _ view) error {
	s.heat("login")
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		cookie = &http.Cookie{Value: rand.Text()}
		setCookie(w, cookie.Value)
	}
	c := content{Title: "Log in to the site", LoginToken: s.Secret.LoginToken(cookie.Value)}
	if r.URL.Query().Has("error") {
		c.Notice = "Invalid login, please try again"
	}
	return show(w, c)
}

// login says the same to a wrong password, to a missing token and to everybody
// while versions are mixed.
func (s *Server) login(w http.ResponseWriter, r *http.Request, v view) error {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || v.pending || !s.tokenFits(r, cookie.Value) {
		return bounce(w, r)
	}
	var id int64
	var hash string
	err = s.DB.Row(r.Context(), "SELECT id, password FROM {users} WHERE username = $1 AND NOT deleted",
		[]any{r.PostFormValue("username")}, &id, &hash)
	if database.IsMissing(err) {
		return bounce(w, r)
	}
	if err != nil {
		return err
	}
	if !account.PasswordFits(r.PostFormValue("password"), hash) {
		return bounce(w, r)
	}
	session := rand.Text()
	_, err = s.DB.Exec(r.Context(), "INSERT INTO {sessions} (sid, userid, expires_at) VALUES ($1, $2, $3)",
		session, id, time.Now().Add(sessionLife).Unix())
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	setCookie(w, session)
	http.Redirect(w, r, "/my", http.StatusSeeOther)
	return nil
}

func (s *Server) tokenFits(r *http.Request, cookie string) bool {
	given := []byte(r.PostFormValue("logintoken"))
	return subtle.ConstantTimeCompare(given, []byte(s.Secret.LoginToken(cookie))) == 1
}

func bounce(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/login?error=1", http.StatusSeeOther)
	return nil
}

// session is the one that a browser says it has; "" when it has none.
func session(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// signedIn lets only signed-in users pass, and nobody while versions are mixed.
func (s *Server) signedIn(show func(http.ResponseWriter, *http.Request, user) error) page {
	return func(w http.ResponseWriter, r *http.Request, v view) error {
		sid := session(r)
		if sid == "" || v.pending {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return nil
		}
		var u user
		err := s.DB.Row(r.Context(), `SELECT u.id, u.firstname, u.role FROM {sessions} s JOIN {users} u ON u.id = s.userid
			WHERE s.sid = $1 AND s.expires_at > $2 AND NOT u.deleted`,
			[]any{sid, time.Now().Unix()}, &u.id, &u.firstname, &u.role)
		if database.IsMissing(err) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return nil
		}
		if err != nil {
			return err
		}
		return show(w, r, u)
	}
}
