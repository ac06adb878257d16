// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// table prints what each step took, and the outage predicted and real.
func (d *demo) table(plan *v1alpha1.UpgradePlan, parts []v1alpha1.TimedPart) {
	actual := map[string]*metav1.Duration{}
	for _, p := range parts {
		actual[p.Name] = p.Actual
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "\nSTEP\tSTATE\tTOOK\tWHAT")
	for i, s := range plan.Status.Steps {
		took := ""
		if s.Started != nil && s.Finished != nil {
			took = s.Finished.Sub(s.Started.Time).Round(time.Second).String()
		}
		fmt.Fprintf(out, "%d %s\t%s\t%s\t%s\n", i+1, s.Name, s.State, took, s.Message)
	}
	if r := plan.Status.Rollout; r != nil {
		fmt.Fprintln(out, "\nOUTAGE\tREHEARSED\tWITH MARGIN\tON THE DAY")
		for _, p := range r.Parts {
			name := sameAs(p.Name)
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", p.Name, written(p.Measured), written(p.WithMargin), written(actual[name]))
			delete(actual, name)
		}
		for _, p := range parts {
			if took, ok := actual[p.Name]; ok {
				fmt.Fprintf(out, "%s\t\t\t%s\n", p.Name, written(took))
			}
		}
		fmt.Fprintf(out, "in all\t\t%s\t%s\n", written(r.PredictedOutage), written(r.ActualOutage))
		fmt.Fprintf(out, "way back\t\t%s\t\n", written(r.PredictedBack))
	}
	fmt.Fprintln(out)
	_ = out.Flush()
}

// sameAs gives the part of a go-live that a part of the rehearsal stands for.
func sameAs(part string) string {
	for prefix, name := range map[string]string{
		"verify": "Verify", "start application": "StartWeb", "smoke": "Smoke", "fix point": "FixPoint",
	} {
		if strings.HasPrefix(part, prefix) {
			return name
		}
	}
	return strings.Replace(part, "hop to ", "Hops ", 1)
}

func written(took *metav1.Duration) string {
	if took == nil {
		return ""
	}
	return took.Round(time.Second).String()
}
