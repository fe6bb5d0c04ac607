package protocols

import (
	"errors"
	"flag"
	"fmt"
	"strings"
)

// checkFlags checks the names of the Spec's flags.
func (s *Spec) checkFlags() error {
	var errs []error
	s.eachFlag(func(f *flag.Flag) {
		name, ok := strings.CutPrefix(f.Name, s.Name+".")
		switch {
		case !ok || name == "":
			errs = append(errs, fmt.Errorf("flag %q: the name must begin with %q", f.Name, s.Name+"."))
		case strings.ContainsFunc(f.Name, notInFlag):
			errs = append(errs, fmt.Errorf("flag %q: the name must have only letters, digits, and the characters . _ -", f.Name))
		}
	})
	return errors.Join(errs...)
}

func notInFlag(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c)
}

func (s *Spec) eachFlag(f func(*flag.Flag)) {
	if s.Flags != nil {
		s.Flags.VisitAll(f)
	}
}

// PathFlag is the value of a flag that names files or directories, separated by commas if there are
// several. A program may expand each as it expands the paths of its own flags, before Set. It must leave
// URLs alone: texts with "://".
type PathFlag interface {
	flag.Value
	IsPathFlag() bool
}

// SecretFlag is the value of a flag that may have credentials. A program must not show what it is set
// to. Errors of Set do not have it.
type SecretFlag interface {
	flag.Value
	IsSecretFlag() bool
}

// CheckFlags returns an error if two Specs have a flag of the same name, or if one has a flag
// that is taken. It is for programs that give the flags of several protocols to one command
// line. Each Spec has passed its Check.
func CheckFlags(taken []string, specs ...Spec) error {
	owners := map[string]string{}
	for _, name := range taken {
		owners[name] = "the program"
	}
	var errs []error
	for _, s := range specs {
		s.eachFlag(func(f *flag.Flag) {
			if owner, ok := owners[f.Name]; ok {
				errs = append(errs, fmt.Errorf("protocol %s: flag --%s is a flag of %s", s.Name, f.Name, owner))
				return
			}
			owners[f.Name] = "protocol " + s.Name
		})
	}
	return errors.Join(errs...)
}
