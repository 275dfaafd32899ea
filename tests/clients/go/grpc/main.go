// Calls a method of each kind, over bytes.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type raw struct{}

func (raw) Name() string                        { return "raw" }
func (raw) Marshal(it any) ([]byte, error)      { return *it.(*[]byte), nil }
func (raw) Unmarshal(data []byte, it any) error { *it.(*[]byte) = bytes.Clone(data); return nil }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(is bool, what any) {
	if !is {
		panic(fmt.Sprint(what))
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	channel, err := grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{})),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	must(err)
	defer channel.Close()

	big, answer := bytes.Repeat([]byte("x"), 1_000_000), []byte{}
	var trailer metadata.MD
	must(channel.Invoke(ctx, "/echo.Echo/One", &big, &answer, grpc.Trailer(&trailer)))
	expect(bytes.Equal(answer, big) && trailer.Get("x-end")[0] == "told", trailer)

	down, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/echo.Echo/Down")
	must(err)
	request := []byte("number ")
	must(down.SendMsg(&request))
	must(down.CloseSend())
	for at := range 100 {
		must(down.RecvMsg(&answer))
		expect(string(answer) == fmt.Sprint("number ", at), string(answer))
	}
	expect(down.RecvMsg(&answer) == io.EOF, "more than a hundred")

	up, err := channel.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/echo.Echo/Up")
	must(err)
	for range 10 {
		must(up.SendMsg(&big))
	}
	must(up.CloseSend())
	must(up.RecvMsg(&answer))
	expect(string(answer) == "10000000", string(answer))

	// One by one: the next request waits for the answer to the last.
	both, err := channel.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/echo.Echo/Both")
	must(err)
	for at := range 20 {
		request := []byte(fmt.Sprint(at))
		must(both.SendMsg(&request))
		must(both.RecvMsg(&answer))
		expect(string(answer) == string(request), string(answer))
	}
	must(both.CloseSend())
	expect(both.RecvMsg(&answer) == io.EOF, "more than twenty")

	err = channel.Invoke(ctx, "/echo.Echo/None", &request, &answer)
	expect(status.Code(err) == codes.NotFound && status.Convert(err).Message() == "no such thing: ü", err)
	fmt.Println("whole")
}
