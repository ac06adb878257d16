package main

func up(Layout, []string) error         { return nil }
func down(Layout, []string) error       { return nil }
func status(Layout, []string) error     { return nil }
func load(Layout, []string) error       { return nil }
func kubeconfig(Layout, []string) error { return nil }
func logs(Layout, []string) error       { return nil }
func image(Layout, []string) error      { return nil }
func execInside(Layout, []string) error { return nil }
func supervise(Layout, []string) error  { return nil }
