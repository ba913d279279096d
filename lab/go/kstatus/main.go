// Command kstatus says of Kubernetes objects what GitOps tools make of them: it reads one JSON object a line, and
// answers each with one line, {"status": …, "message": …}, by the library that they ask (sigs.k8s.io/cli-utils,
// pkg/kstatus). A line with null stands for an object that is gone: NotFound. What is
// no object is answered with {"error": …}. It ends at the end of its input.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers line by line; each answer is out before the next line is read.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	answers := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err := answers.Encode(judge(line)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func judge(line []byte) verdict {
	var object map[string]any
	// Unlike encoding/json, this keeps whole numbers whole, as the library's reading of generations needs it.
	if err := utiljson.Unmarshal(line, &object); err != nil {
		return verdict{Error: err.Error()}
	}
	if object == nil {
		return verdict{Status: status.NotFoundStatus.String()}
	}
	found, err := status.Compute(&unstructured.Unstructured{Object: object})
	if err != nil {
		return verdict{Error: err.Error()}
	}
	return verdict{Status: found.Status.String(), Message: found.Message}
}
