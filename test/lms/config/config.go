// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package config reads the configuration file and the environment that beats it.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// DefaultPath is where the Secret is mounted.
const DefaultPath = "/etc/campus/config.json"

// Database says where the database is.
type Database struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Name     string `json:"name"`
	User     string `json:"user"`
	Password string `json:"password"`
	Prefix   string `json:"prefix"`
}

// SMTP says where mail goes.
type SMTP struct {
	Host string `json:"host"`
	From string `json:"from"`
}

// Config is the configuration file.
type Config struct {
	Database     Database          `json:"database"`
	DataRoot     string            `json:"dataRoot"`
	BaseURL      string            `json:"baseURL"`
	SMTP         SMTP              `json:"smtp"`
	WebhookURL   string            `json:"webhookURL"`
	CronEnabled  *bool             `json:"cronEnabled"`
	HardSettings map[string]string `json:"hardSettings"`
}

// Load reads the file, then the environment. A default file that is absent is
// no error: a container may be configured by its environment alone.
func Load(path string, getenv func(string) string) (Config, error) {
	cfg := Config{
		Database: Database{Host: "localhost", Port: 5432, Name: "campus", User: "campus", Prefix: "cmp_"},
		DataRoot: "/var/lib/campus",
		BaseURL:  "http://localhost:8080",
		SMTP:     SMTP{From: "noreply@campus.example"},
	}
	text, err := os.ReadFile(path)
	if err != nil && (path != DefaultPath || !errors.Is(err, fs.ErrNotExist)) {
		return cfg, fmt.Errorf("read configuration: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal(text, &cfg); err != nil {
			return cfg, fmt.Errorf("parse configuration %s: %w", path, err)
		}
	}
	if err := cfg.override(getenv); err != nil {
		return cfg, err
	}
	if name, found := strings.CutPrefix(cfg.Database.Password, "env:"); found {
		cfg.Database.Password = getenv(name)
	}
	return cfg, cfg.settle()
}

func (c *Config) override(getenv func(string) string) error {
	for name, field := range map[string]*string{
		"CAMPUS_DB_HOST":     &c.Database.Host,
		"CAMPUS_DB_NAME":     &c.Database.Name,
		"CAMPUS_DB_USER":     &c.Database.User,
		"CAMPUS_DB_PASSWORD": &c.Database.Password,
		"CAMPUS_DB_PREFIX":   &c.Database.Prefix,
		"CAMPUS_DATA_ROOT":   &c.DataRoot,
		"CAMPUS_BASE_URL":    &c.BaseURL,
		"CAMPUS_SMTP_HOST":   &c.SMTP.Host,
		"CAMPUS_WEBHOOK_URL": &c.WebhookURL,
	} {
		if value := getenv(name); value != "" {
			*field = value
		}
	}
	if value := getenv("CAMPUS_DB_PORT"); value != "" {
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return fmt.Errorf("parse CAMPUS_DB_PORT: %w", err)
		}
		c.Database.Port = uint16(port)
	}
	if value := getenv("CAMPUS_CRON_ENABLED"); value != "" {
		enabled, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("parse CAMPUS_CRON_ENABLED: %w", err)
		}
		c.CronEnabled = &enabled
	}
	return c.overrideSettings(getenv("CAMPUS_HARD_SETTINGS"))
}

func (c *Config) overrideSettings(text string) error {
	if c.HardSettings == nil {
		c.HardSettings = map[string]string{}
	}
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		if !found {
			return fmt.Errorf("parse CAMPUS_HARD_SETTINGS: %q is not name=value", pair)
		}
		c.HardSettings[name] = value
	}
	return nil
}

// settle turns what has its own field into a hard setting, so that there is
// one place to ask.
func (c *Config) settle() error {
	if c.CronEnabled != nil {
		c.HardSettings["cron_enabled"] = "0"
		if *c.CronEnabled {
			c.HardSettings["cron_enabled"] = "1"
		}
	}
	for _, r := range c.Database.Prefix {
		if (r < 'a' || r > 'z') && r != '_' {
			return fmt.Errorf("database prefix %q: lower-case letters and _ only", c.Database.Prefix)
		}
	}
	if len(c.Database.Prefix) > 10 {
		return fmt.Errorf("database prefix %q is longer than 10 characters", c.Database.Prefix)
	}
	return nil
}
