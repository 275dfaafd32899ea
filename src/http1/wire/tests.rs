use std::{
    future::poll_fn,
    io::Write as _,
    net::{self, Ipv4Addr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::Poll,
    thread,
};

use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::TcpStream,
    runtime::Builder,
};

use crate::{
    base::capacity::{Capacity, Client, Resource},
    http1::wire::{
        Socket, Stream, Wire,
        socket::{AMPLE_UNREAD, LEAST_UNREAD, MOST_AT_ONCE, MOST_UNREAD},
    },
};

fn connected(listener: &TcpListener) -> Socket {
    let stream = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    Socket::new(Stream::Tcp(TcpStream::from_std(stream).unwrap()))
}

#[test]
fn whoever_sends_much_is_read_in_turns() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut socket = connected(&listener);
        let mut peer = listener.accept().unwrap().0;
        let sent = 3 * MOST_AT_ONCE;
        let sending = thread::spawn(move || peer.write_all(&vec![0; sent]));
        let (mut read, mut buffer) = (0, vec![0; 16 << 10]);
        while read < sent {
            let turn = poll_fn(|cx| {
                let mut turn = 0;
                loop {
                    let mut buffer = ReadBuf::new(&mut buffer);
                    match Pin::new(&mut socket).poll_read(cx, &mut buffer) {
                        Poll::Ready(result) => turn += result.map(|()| buffer.filled().len()).unwrap(),
                        Poll::Pending if turn == 0 => return Poll::Pending,
                        Poll::Pending => return Poll::Ready(turn),
                    }
                }
            })
            .await;
            assert!(turn < MOST_AT_ONCE + buffer.len(), "{turn}");
            read += turn;
        }
        assert_eq!(read, sent);
        sending.join().unwrap().unwrap();
    });
}

#[test]
fn a_connection_that_nobody_uses_holds_no_memory_for_what_it_receives() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (capacity, client) = (Capacity::new(Resource::Receiving), Client::Key(Arc::default()));
        let bounded = || {
            let mut wire = Wire::Plain(connected(&listener));
            wire.bound_unread(capacity.share(client.clone()));
            wire
        };
        let is_ample = |wire: &Wire| wire.socket().is_ample;
        let received = |wire: &Wire| wire.socket().of_system().recv_buffer_size().unwrap();
        let mut ample: Vec<Wire> = (0..MOST_UNREAD.each / (2 * AMPLE_UNREAD)).map(|_| bounded()).collect();
        let lean = bounded();
        assert!(ample.iter().all(is_ample) && !is_ample(&lean));
        assert_eq!(received(&lean), 2 * LEAST_UNREAD);
        // Into the pool, and out of it again when another has taken its place.
        let mut last = ample.pop().unwrap();
        last.release_unread();
        assert!(is_ample(&bounded()));
        let other = bounded();
        assert!(is_ample(&other));
        last.claim_unread();
        assert!(!is_ample(&last));
        assert_eq!(received(&last), 2 * LEAST_UNREAD);
    });
}
