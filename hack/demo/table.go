// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// table prints what each step took, and the outage predicted and real.
func (d *demo) table(plan *v1alpha1.UpgradePlan) {
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
		fmt.Fprintln(out, "\nOUTAGE\tIN THE TRIAL\tWITH MARGIN\tON THE DAY")
		for _, p := range r.Parts {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", p.Name, written(p.Measured), written(p.WithMargin), written(p.Actual))
		}
		fmt.Fprintf(out, "in all\t\t%s\t%s\n", written(r.PredictedOutage), written(r.ActualOutage))
		fmt.Fprintf(out, "way back\t\t%s\t\n", written(r.PredictedBack))
	}
	fmt.Fprintln(out)
	_ = out.Flush()
}

func written(took *metav1.Duration) string {
	if took == nil {
		return ""
	}
	return took.Round(time.Second).String()
}
