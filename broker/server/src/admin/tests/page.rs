use super::start;

#[tokio::test]
async fn the_page_is_all_that_it_needs_and_may_do_nothing_else() {
    let server = start().await;
    for (path, content_type) in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
    ] {
        let answer = server
            .send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let content_type = format!("content-type: {content_type}; charset=utf-8");
        for header in [
            content_type.as_str(),
            "cache-control: no-store",
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(header), "{header} is not in\n{head}");
        }
        // What the policy refuses would be missing.
        for refused in ["style=", "onclick=", "<style", "innerHTML", "://"] {
            let uses = body.matches(refused).count();
            // The name of a vocabulary is no address.
            let names = body.matches("http://www.w3.org/2000/svg").count();
            let expected = if refused == "://" { names } else { 0 };
            assert_eq!(uses, expected, "{refused} in {path}");
        }
    }
}
