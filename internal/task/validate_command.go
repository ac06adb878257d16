// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"errors"
	"fmt"
)

func (c *Command) validate() error {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return errors.New("command.argv: is empty")
	}
	for _, wrong := range []func() error{c.validateOutcomes, c.validatePatterns, c.validateSuccess, c.validateJSON} {
		if err := wrong(); err != nil {
			return err
		}
	}
	return expressions("command.capture", c.Capture, true)
}

func (c *Command) validateOutcomes() error {
	for code, o := range c.ExitCodes {
		if !o.known() {
			return fmt.Errorf("command.exitCodes[%d]: unknown outcome %q", code, o)
		}
	}
	for i, o := range c.Want {
		if !o.known() {
			return fmt.Errorf("command.want[%d]: unknown outcome %q", i, o)
		}
	}
	return nil
}

func (c *Command) validatePatterns() error {
	for i, p := range c.Patterns {
		if !p.Outcome.known() {
			return fmt.Errorf("command.patterns[%d].outcome: unknown outcome %q", i, p.Outcome)
		}
		if p.Stream != "" && p.Stream != Stdout && p.Stream != Stderr {
			return fmt.Errorf("command.patterns[%d].stream: unknown stream %q", i, p.Stream)
		}
		if err := expression(fmt.Sprintf("command.patterns[%d].match", i), p.Match); err != nil {
			return err
		}
	}
	return nil
}

func (c *Command) validateSuccess() error {
	for i, s := range c.Success {
		if err := expression(fmt.Sprintf("command.success[%d]", i), s); err != nil {
			return err
		}
	}
	return nil
}

func (c *Command) validateJSON() error {
	if c.JSON == nil {
		return nil
	}
	if err := fileName("command.jsonDocument.name", c.JSON.Name); err != nil {
		return err
	}
	for i, k := range c.JSON.Redact {
		if err := expression(fmt.Sprintf("command.jsonDocument.redact[%d]", i), k); err != nil {
			return err
		}
	}
	return nil
}

func (o Outcome) known() bool {
	switch o {
	case OK, Pending, Locked, Retry, Warned, Failed:
		return true
	}
	return false
}
