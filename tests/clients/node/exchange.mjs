// What each program does with its own `fetch`: the long answer, then one that is posted.
export async function exchange(fetch) {
    const base = process.argv[2];
    for (const [path, options] of [["/whole", {}], ["/echo", { method: "POST", body: "posted\n" }]]) {
        const answer = await fetch(base + path, options);
        if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
        process.stdout.write(await answer.text());
    }
}
