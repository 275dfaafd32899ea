// Prints the long answer, what it posted, and the version of HTTP.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	base := os.Args[1]
	show(http.Get(base + "/whole"))
	answer := show(http.Post(base+"/echo", "text/plain", strings.NewReader("posted\n")))
	fmt.Println(answer.Proto)
}

func show(answer *http.Response, err error) *http.Response {
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		panic(answer.Status)
	}
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		panic(err)
	}
	return answer
}
