// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
)

const siteYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: Site
metadata: {name: campus}
spec:
  profile: moodle
  url: https://moodle.campus.example
  timeZone: Europe/Berlin
  workloads:
  - {name: web, role: Web, targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, applicationContainer: php}
  config: {path: /var/www/config.php, secretKeyRef: {name: config, key: config.php}}
  traffic: {serviceRef: {name: web}}
  database:
    engine: PostgreSQL
    host: db.example
    name: moodle
    tablePrefix: mdl_
    ownerSecretRef: {name: db}
    readerSecretRef: {name: db-reader}
    clone: {method: Dump}
  volumes:
  - {name: files, claimName: moodledata, mountPath: /data, clone: {method: VolumeSnapshot}}
  copies: {secrets: [peppers]}
  backup:
    locations:
    - {name: vault, holds: [Database, Files], failureDomain: vault, volume: {claimName: gradus-vault}}
  calendar:
    freezes: [{name: Exams, from: "2027-01-25", to: "2027-02-13"}]
`

func TestSite(t *testing.T) {
	site := func(pairs ...string) string { return with(siteYAML, pairs...) }
	noDatabase, _, _ := strings.Cut(siteYAML, "  database:")
	ownServer := "workloadRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}"
	documents{
		"as written":                     {text: siteYAML},
		"a server of the site's own":     {text: site("host: db.example", ownServer)},
		"its volume cloned":              {text: site("host: db.example", ownServer, "method: Dump", "method: VolumeSnapshot")},
		"a port in the url":              {text: site("moodle.campus.example", "moodle.campus.example:8443")},
		"a backup by snapshot":           {text: site("volume: {claimName: gradus-vault}", "volumeSnapshot: {className: csi}")},
		"a freeze of one day":            {text: site(`to: "2027-02-13"`, `to: "2027-01-25"`)},
		"the owner's password in a copy": {site("secrets: [peppers]", "secrets: [db]"), "copies.secrets must not name the database's Secrets"},
		"the owner's password as configuration": {site("secretKeyRef: {name: config,", "secretKeyRef: {name: db,"),
			"config.secretKeyRef must not be one of the database's Secrets"},
		"a path in the url":                   {site(".example\n", ".example/moodle\n"), "url must be http(s)://host[:port] without a path"},
		"a url that is none":                  {site("https://moodle", "ftp://moodle"), "url must be http(s)://host[:port]"},
		"no web workload":                     {site("role: Web", "role: Cron"), "one workload must have the role Web: it is what users reach"},
		"an unknown role":                     {site("role: Web", "role: Batch"), `supported values: "Web", "Cron", "Worker"`},
		"no workload":                         {site("\n  - {name: web, role: Web, targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, applicationContainer: php}", " []"), "should have at least 1 items"},
		"a workload that is no workload":      {site("kind: Deployment", "kind: Pod"), `supported values: "Deployment", "StatefulSet"`},
		"a workload that cannot be upgraded":  {site("kind: Deployment", "kind: StatefulSet"), "targetRef.kind must be Deployment"},
		"a database that is a Deployment":     {site("host: db.example", strings.Replace(ownServer, "StatefulSet", "Deployment", 1)), "workloadRef.kind must be StatefulSet"},
		"a workload of an old API":            {site("apps/v1", "apps/v1beta1"), "apiVersion must be apps/v1"},
		"a name with capitals":                {site("name: web, role", "name: Web, role"), "should match"},
		"an unknown engine":                   {site("PostgreSQL", "Oracle"), `supported values: "PostgreSQL"`},
		"two homes of the database":           {site("host: db.example", "host: db.example\n    "+ownServer), "give either host (a server elsewhere) or workloadRef"},
		"no home of the database":             {site("    host: db.example\n", ""), "give either host (a server elsewhere) or workloadRef"},
		"the volume of a shared server":       {site("method: Dump", "method: VolumeSnapshot"), "clone.method VolumeSnapshot needs workloadRef"},
		"an unknown way to clone":             {site("method: Dump", "method: Copy"), `supported values: "VolumeSnapshot", "Dump"`},
		"a database's name that needs quotes": {site("name: moodle\n", "name: Moodle-1\n"), "should match"},
		"a prefix that needs quotes":          {site("mdl_", "MDL-"), "should match"},
		"a port that is none":                 {site("host: db.example", "host: db.example\n    port: 70000"), "should be less than or equal to 65535"},
		"a volume cloned by dump":             {site("clone: {method: VolumeSnapshot}", "clone: {method: Dump}"), `supported values: "VolumeSnapshot", "Omit"`},
		"a volume at no path":                 {site("mountPath: /data", "mountPath: data"), "should match"},
		"a volume called database":            {site("{name: files,", "{name: database,"), "no volume may be called database"},
		"two volumes of one name":             {site("  copies:", "  - {name: files, claimName: b, mountPath: /b, clone: {method: Omit}}\n  copies:"), "Duplicate value"},
		"an unknown pod security":             {site("secrets: [peppers]", "podSecurity: Privileged"), `supported values: "Restricted", "Baseline"`},
		"a backup of nothing":                 {site("holds: [Database, Files]", "holds: []"), "should have at least 1 items"},
		"a backup of something else":          {site("holds: [Database, Files]", "holds: [Memories]"), `supported values: "Database", "Files"`},
		"a backup in two places at once":      {site("volume: {claimName: gradus-vault}", "volume: {claimName: gradus-vault}, volumeSnapshot: {className: csi}"), "give exactly one of volumeSnapshot and volume"},
		"a backup in no place":                {site(", volume: {claimName: gradus-vault}", ""), "give exactly one of volumeSnapshot and volume"},
		"a backup on a volume of the site":    {site("gradus-vault", "moodledata"), "the name of a backup volume's claim must begin with gradus-"},
		"a freeze that ends before it begins": {site("2027-02-13", "2027-01-13"), "from must not be after to"},
		"a freeze on no day":                  {site("2027-02-13", "13.2.2027"), "should match"},
		"a time zone that is none":            {site("Europe/Berlin", "Berlin?"), "should match"},
		"a configuration at no path":          {site("/var/www/config.php", "config.php"), "should match"},
		"a Secret's name that is none":        {site("ownerSecretRef: {name: db}", "ownerSecretRef: {name: DB}"), "should match"},
		"a display name like a book":          {site("profile: moodle", "profile: moodle\n  displayName: "+strings.Repeat("x", 129)), "Too long"},
		"a spec without a database":           {noDatabase, "spec.database: Required value"},
	}.run(t)
}
