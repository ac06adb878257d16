// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/inputs"
	"github.com/gradus-lms/gradus/test/faults/world"
)

var told = flag.Int("told", 1, "how many accepted inputs of each field are told to the operator; 0 is all")

// known are the kinds that the operator reads.
var known = controllers.Scheme()

// fewest is how many inputs the schemas must give: fewer, and the walk has lost its way.
const fewest = 5000

// Whatever people write is refused with the name of the field, or told to the
// operator, which says in a condition how it stands and recovers when it is put right.
func TestBadInputs(t *testing.T) {
	kinds, err := inputs.Load("../../config/crd/bases")
	if err != nil {
		t.Fatal(err)
	}
	sums := walked{}
	t.Run("kinds", func(t *testing.T) {
		for _, kind := range kinds {
			t.Run(kind.Name, func(t *testing.T) {
				t.Parallel()
				sums.add(kind.Name, walkKind(t, kind))
			})
		}
	})
	if n := sums.log(t); n < fewest {
		t.Errorf("%d inputs, want %d at least", n, fewest)
	}
}

// figures of one kind.
type figures struct{ inputs, refused, accepted, told, recovered int }

func walkKind(t *testing.T, kind inputs.Kind) (sum figures) {
	t.Helper()
	story, ok := stories[kind.Name]
	if !ok {
		t.Fatalf("there is no story of a good %s", kind.Name)
	}
	w := begin(t, gate.New(), story.kinds)
	defer stopped(t, w)
	all := inputs.Walk(kind, plainly(t, story.good(w)))
	accepted := askAll(t, w, all)
	sum = figures{inputs: len(all), refused: len(all) - len(accepted), accepted: len(accepted)}
	if kind.Name == "GoLive" {
		for _, input := range accepted {
			t.Errorf("%s: a person made a GoLive", input)
		}
		return sum
	}
	telling := choose(accepted)
	sum.told = len(telling)
	for some := range slices.Chunk(telling, batch) {
		sum.recovered += tell(t, story, some)
	}
	return sum
}

// batch is how many inputs share a world: in a crowd everybody is woken by everybody.
const batch = 25

// begin makes a world; a run that stops there is told.
func begin(t *testing.T, g *gate.Gate, kinds []string) (w *world.World) {
	t.Helper()
	defer stopped(t, nil)
	w = server.New(t.Context(), g, kinds...)
	w.Bound = 10000
	return w
}

// stopped tells of a run that could not go on.
func stopped(t *testing.T, w *world.World) {
	t.Helper()
	switch said := recover().(type) {
	case nil:
	case world.Stopped:
		if w != nil {
			t.Log(strings.Join(w.Errors[max(0, len(w.Errors)-5):], "\n"))
		}
		t.Fatal("stopped: " + said.Why)
	default:
		panic(said)
	}
}

// plainly gives an object as a person would write it.
func plainly(t *testing.T, object client.Object) map[string]any {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	gvks, _, err := known.ObjectKinds(object)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"apiVersion": gvks[0].GroupVersion().String(), "kind": gvks[0].Kind,
		"metadata": map[string]any{"name": object.GetName()}, "spec": content["spec"]}
}

// askAll asks for every input, without keeping it, and gives those that are
// accepted. A refusal that does not say where is wrong, and so is an object
// that the operator could not read: it could read none of its kind any more.
func askAll(t *testing.T, w *world.World, all []inputs.Input) []inputs.Input {
	t.Helper()
	wrong := make([]string, len(all))
	welcome := make([]bool, len(all))
	next := make(chan int)
	var every sync.WaitGroup
	for range sideBySide {
		asker := w.Asker("registrar@campus.example")
		every.Go(func() {
			for i := range next {
				welcome[i], wrong[i] = ask(asker, all[i])
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	every.Wait()
	var out []inputs.Input
	for i, input := range all {
		switch {
		case wrong[i] != "":
			t.Errorf("%s: %s", input, wrong[i])
		case welcome[i]:
			out = append(out, input)
		}
	}
	return out
}

func ask(asker *world.Asker, input inputs.Input) (welcome bool, wrong string) {
	body, err := input.Body("")
	if err != nil {
		return false, err.Error()
	}
	answer, err := asker.Ask(http.MethodPost, input.Kind.Plural, "", body, true)
	var refusal world.Refusal
	switch {
	case errors.As(err, &refusal):
		return false, unnamed(input, refusal)
	case err != nil:
		return false, err.Error()
	case len(answer) > 64<<10:
		return true, "is accepted with a text of a megabyte"
	}
	if wrong := legible(input, answer); wrong != "" {
		return false, wrong
	}
	return true, ""
}

// unnamed says that a refusal does not tell which field is meant.
func unnamed(input inputs.Input, refusal world.Refusal) string {
	for _, name := range append(input.Names, "makers:") {
		if strings.Contains(refusal.Message, name) {
			return ""
		}
	}
	return "is refused without its name: " + refusal.Error()[:min(300, len(refusal.Error()))]
}

// legible says why the operator could not read an object.
func legible(input inputs.Input, answer []byte) string {
	into, err := known.New(v1alpha1.GroupVersion.WithKind(input.Kind.Name))
	if err == nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		return "is accepted, and the operator cannot read it: " + err.Error()
	}
	return ""
}

// choose takes some of each field that are far from each other, from the middle
// on: the first ones are those that leave the field out.
func choose(all []inputs.Input) []inputs.Input {
	if *told == 0 {
		return all
	}
	byField := map[string][]inputs.Input{}
	for _, input := range all {
		byField[input.Field] = append(byField[input.Field], input)
	}
	var out []inputs.Input
	for _, field := range slices.Sorted(maps.Keys(byField)) {
		some := byField[field]
		n := min(*told, len(some))
		for i := range n {
			out = append(out, some[(len(some)/2+i*len(some)/n)%len(some)])
		}
	}
	return out
}

// walked sums up what was walked, by kind.
type walked struct {
	lock sync.Mutex
	of   map[string]figures
}

func (w *walked) add(kind string, f figures) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.of == nil {
		w.of = map[string]figures{}
	}
	w.of[kind] = f
}

func (w *walked) log(t *testing.T) int {
	t.Helper()
	sum := 0
	rows := []string{fmt.Sprintf("%-20s %7s %7s %8s %5s %9s", "", "inputs", "refused", "accepted", "told", "recovered")}
	for _, kind := range slices.Sorted(maps.Keys(w.of)) {
		f := w.of[kind]
		sum += f.inputs
		rows = append(rows, fmt.Sprintf("%-20s %7d %7d %8d %5d %9d",
			kind, f.inputs, f.refused, f.accepted, f.told, f.recovered))
	}
	t.Log("\n" + strings.Join(rows, "\n"))
	return sum
}
