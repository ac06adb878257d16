// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
)

var token = regexp.MustCompile(`name="logintoken" value="([0-9a-f]+)"`)

// post signs in as a user of the sample data and writes into the first forum.
func post(site, user string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 6 * patience}
	response, err := client.Get(site + "/login")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	found := token.FindSubmatch(body)
	if err != nil || found == nil {
		return fmt.Errorf("read login page: %s: no token in it", response.Status)
	}
	form := url.Values{"username": {user}, "password": {"pw-" + user}, "logintoken": {string(found[1])}}
	if err := send(client, site+"/login", form, "/my"); err != nil {
		return err
	}
	form = url.Values{"subject": {"After the upgrade"}, "body": {"Written on the new version, lost when going back."}}
	return send(client, site+"/forum/1", form, "")
}

// send posts a form and follows where the site sends it.
func send(client *http.Client, to string, form url.Values, want string) error {
	response, err := client.PostForm(to, form)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || want != "" && response.Request.URL.Path != want {
		return fmt.Errorf("post %s: %s, and ended at %s", to, response.Status, response.Request.URL.Path)
	}
	return nil
}
