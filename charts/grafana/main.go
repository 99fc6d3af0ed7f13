// Says what is wrong with dashboards: what Grafana's own types (its Foundation SDK) do not know, or do not allow.
//
//	grafana FILE...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	// The kinds of panels and queries that there are.
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	failed := false
	for _, path := range os.Args[1:] {
		for _, problem := range problems(path) {
			fmt.Fprintf(os.Stderr, "%s: %s\n", path, problem)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func problems(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	// A field that nobody knows is an error. What is read that way lacks panels: an empty list of errors counts as one inside.
	var strict dashboard.Dashboard
	if lines := said(strict.UnmarshalJSONStrict(text)); lines != nil {
		return lines
	}
	var read dashboard.Dashboard
	if err := json.Unmarshal(text, &read); err != nil {
		return said(err)
	}
	lines := said(read.Validate())
	for _, one := range read.Panels {
		if panel := one.Panel; panel != nil {
			if _, known := cog.ConfigForPanelcfgVariant(panel.Type); !known {
				lines = append(lines, fmt.Sprintf("a panel of the type %q, which is none of those that are used", panel.Type))
			}
		}
	}
	return lines
}

// Of a list of errors, which may be empty, each.
func said(err error) []string {
	if err == nil {
		return nil
	}
	var all cog.BuildErrors
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var lines []string
	for _, one := range all {
		lines = append(lines, one.Error())
	}
	return lines
}
