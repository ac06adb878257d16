// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Rollback that holds its site, and one that does not.
const (
	holdingRun = "lms.gradus.dev/v1alpha1 Rollback campus/holding"
	idleRun    = "lms.gradus.dev/v1alpha1 Rollback campus/campus-back"
	inHaste    = "runs: Rollback holding holds Site campus: delete it without --cascade=foreground"
)

func init() {
	probes["gradus-runs"] = request{by: clusterAdmin, do: deletesAnd(holdingRun, metav1.DeletePropagationForeground), refused: inHaste}
}

// makeRuns gives one Rollback the site.
func makeRuns(ctx context.Context) error {
	if err := create(ctx, as(clusterAdmin), one(with(rollbackYAML, "campus-back", "holding"))); err != nil {
		return err
	}
	held := client.RawPatch(types.MergePatchType, []byte(`{"status":{"lease":{"name":"gradus-campus","fence":1,"point":"Committed"}}}`))
	return as(production).Status().Patch(ctx, reference(holdingRun), held)
}

// deletesAnd asks for the end of a target, and says what becomes of its Jobs.
func deletesAnd(target string, jobs metav1.DeletionPropagation) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Delete(ctx, reference(target), client.DryRunAll, client.PropagationPolicy(jobs))
	}
}

// The Jobs of a run that holds a site are not taken from it while it lives.
func TestARunThatHoldsASiteKeepsItsJobs(t *testing.T) {
	const foreground = metav1.DeletePropagationForeground
	table{
		"an editor, in the foreground":              {by: tenant, do: deletesAnd(holdingRun, foreground), refused: inHaste},
		"a pipeline that prunes":                    {by: argoCD, do: deletesAnd(holdingRun, foreground), refused: inHaste},
		"who deletes all":                           {by: clusterAdmin, do: deletesAllAtOnce, refused: inHaste},
		"an editor, as kubectl does":                {by: tenant, do: deletesAnd(holdingRun, metav1.DeletePropagationBackground)},
		"an editor who says nothing":                {by: tenant, do: deletes(holdingRun)},
		"one that holds nothing, in the foreground": {by: tenant, do: deletesAnd(idleRun, foreground)},
		"a go-live that holds nothing":              {by: owner, do: deletesAnd("lms.gradus.dev/v1alpha1 GoLive campus/campus-2-0-golive-1", foreground)},
		"the end of the namespace":                  {by: namespacer, do: deletes(holdingRun)},
	}.run(t)
}

func deletesAllAtOnce(ctx context.Context, c client.Client) error {
	return c.DeleteAllOf(ctx, reference(holdingRun), client.InNamespace(siteSpace), client.DryRunAll,
		client.PropagationPolicy(metav1.DeletePropagationForeground))
}
