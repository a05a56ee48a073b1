//! ICMP errors: matched to the flow of the packet that they quote.

use abi::Reason;

use super::frames::{
    IP, L4_V4, changed, extended, extension, fragment, icmp, ping, pong, protocol, syn, time_exceeded, udp, udp_of,
    with_options,
};
use super::{Case, Expected, drop, forward, nat};

const ROUTER: &str = "192.0.2.99";
const ROUTER6: &str = "2001:db8:77::1";

pub(super) fn cases() -> Vec<Case> {
    [translated(), untranslated(), refused()].concat()
}

fn translated() -> Vec<Case> {
    let (address, port) = nat::sendai("10.4.20.7", 51_000);
    let public = address.to_string();
    let outside = format!("{address}:{port}");
    let dns = |reason| forward(reason).rule("dns").of("sendai").translated((address, port));
    let sent = udp("10.4.20.7:51000", "192.0.2.4:53");
    let on_uplink = udp(&outside, "192.0.2.4:53");
    let reply_inside = udp("192.0.2.4:53", "10.4.20.7:51000");
    let echo = nat::sendai("10.4.20.7", 77);
    let echo_public = echo.0.to_string();
    let tools = |reason| forward(reason).rule("tools").of("sendai").translated(echo);
    let gre = nat::sendai_portless("10.4.20.7");
    let gre_public = gre.0.to_string();
    vec![
        Case::new("a router's error about a translated packet")
            .packet("lan0.101", 0, &sent, dns(Reason::Rule))
            .packet("wan0", 0, &time_exceeded(ROUTER, &public, &on_uplink), dns(Reason::Related))
            .packet("wan0", 0, &time_exceeded("192.0.2.4", &public, &on_uplink), dns(Reason::Related))
            // Outside, the packet never had its inside address.
            .packet("wan0", 0, &time_exceeded(ROUTER, &public, &sent), bad_state()),
        Case::new("the client's error about a translated reply")
            .packet("lan0.101", 0, &sent, dns(Reason::Rule))
            .packet(
                "lan0.101",
                0,
                &icmp("10.4.20.7", "192.0.2.4", 3, &reply_inside[IP..L4_V4 + 8]),
                dns(Reason::Related),
            ),
        Case::new("an error keeps no flow alive")
            .packet("lan0.101", 0, &sent, dns(Reason::Rule))
            .packet("wan0", 30, &time_exceeded(ROUTER, &public, &on_uplink), dns(Reason::Related))
            .packet("wan0", 31, &time_exceeded(ROUTER, &public, &on_uplink), bad_state()),
        Case::new("an error about an echo request")
            .packet("lan0.101", 0, &ping("10.4.20.7", "192.0.2.4", 77), tools(Reason::Rule))
            .packet(
                "wan0",
                0,
                &time_exceeded(ROUTER, &echo_public, &ping(&echo_public, "192.0.2.4", echo.1)),
                tools(Reason::Related),
            )
            .packet(
                "wan0",
                0,
                &time_exceeded(ROUTER, &echo_public, &ping(&echo_public, "192.0.2.4", echo.1 + 1)),
                bad_state(),
            )
            .packet(
                "lan0.101",
                0,
                &time_exceeded("10.4.20.7", "192.0.2.4", &pong("192.0.2.4", "10.4.20.7", 77)),
                tools(Reason::Related),
            ),
        Case::new("an error about a protocol without ports")
            .packet(
                "lan0.101",
                0,
                &protocol("10.4.20.7", "192.0.2.4", 47, &[0; 8]),
                forward(Reason::Rule).rule("tools").of("sendai").translated(gre),
            )
            .packet(
                "wan0",
                0,
                &time_exceeded(ROUTER, &gre_public, &protocol(&gre_public, "192.0.2.4", 47, &[0; 8])),
                forward(Reason::Related).rule("tools").of("sendai").translated(gre),
            ),
    ]
}

fn untranslated() -> Vec<Case> {
    let site = |reason| -> Expected { forward(reason).rule("city-site").of("sendai") };
    let web = |reason| -> Expected { forward(reason).rule("web").of("sendai") };
    let (client, server) = ("[2001:db8:4::7]:51000", "[2001:db8:99::4]:443");
    let sent = syn(client, server);
    let asked = syn("192.0.2.4:5000", "203.0.113.10:443");
    let answered = syn("203.0.113.10:443", "192.0.2.4:5000");
    let options = with_options(&answered, &[1, 1, 1, 0]);
    let long = icmp(ROUTER, "203.0.113.10", 3, &[&answered[IP..], &[0; 24]].concat());
    vec![
        Case::new("errors about IPv6")
            .packet("lan0.101", 0, &sent, web(Reason::Rule))
            .packet("wan0", 0, &time_exceeded(ROUTER6, "2001:db8:4::7", &sent), web(Reason::Related))
            .packet("wan0", 0, &icmp(ROUTER6, "2001:db8:4::7", 2, &sent[IP..]), web(Reason::Related))
            // No extension header is followed in a quote.
            .packet(
                "wan0",
                0,
                &icmp(ROUTER6, "2001:db8:4::7", 2, &extended(&sent, 60, &extension(6))[IP..]),
                bad_state(),
            ),
        Case::new("an error in fragments")
            .packet("wan0", 0, &asked, site(Reason::Rule))
            .packet("wan0", 0, &fragment(&long, 7, 0, 40), site(Reason::Related))
            .packet("wan0", 0, &fragment(&long, 7, 40, 72), site(Reason::Fragment)),
        Case::new("errors about a published address")
            .packet("wan0", 0, &asked, site(Reason::Rule))
            .packet("lan0.101", 0, &time_exceeded("203.0.113.10", "192.0.2.4", &asked), site(Reason::Related))
            .packet("wan0", 0, &time_exceeded(ROUTER, "203.0.113.10", &answered), site(Reason::Related))
            .packet("wan0", 0, &icmp(ROUTER, "203.0.113.10", 3, &options[IP..L4_V4 + 12]), site(Reason::Related)),
    ]
}

fn refused() -> Vec<Case> {
    let asked = syn("192.0.2.4:5000", "203.0.113.10:443");
    let answered = syn("203.0.113.10:443", "192.0.2.4:5000");
    let site = || forward(Reason::Rule).rule("city-site").of("sendai");
    let quoting = |quote: &[u8]| icmp(ROUTER, "203.0.113.10", 3, quote);
    let about = |frame: &[u8]| quoting(&frame[IP..L4_V4 + 8]);
    let later = fragment(&udp_of("203.0.113.10:443", "192.0.2.4:5000", 40), 7, 16, 32);
    vec![
        Case::new("an error about nothing").packet("wan0", 0, &about(&answered), bad_state()),
        Case::new("errors that cannot be read or are somebody else's")
            .packet("wan0", 0, &asked, site())
            .packet("wan0", 0, &quoting(&answered[IP..L4_V4 + 7]), bad_state())
            .packet("wan0", 0, &quoting(&[]), bad_state())
            .packet("wan0", 0, &about(&changed(&answered, IP, &[0x65])), bad_state())
            .packet("wan0", 0, &about(&changed(&answered, IP, &[0x44])), bad_state())
            .packet("wan0", 0, &about(&later), bad_state())
            .packet("wan0", 0, &about(&icmp("203.0.113.10", "192.0.2.4", 13, &[0; 8])), bad_state())
            // The right way round only.
            .packet("wan0", 0, &about(&asked), bad_state())
            // To another address of the municipality than the one that sent what is quoted.
            .packet("wan0", 0, &icmp(ROUTER, "203.0.113.17", 3, &answered[IP..L4_V4 + 8]), bad_state())
            .packet("lan0.101", 0, &time_exceeded("10.4.20.7", "192.0.2.4", &asked), bad_state())
            .packet("wan0", 0, &about(&answered), forward(Reason::Related).rule("city-site").of("sendai")),
    ]
}

fn bad_state() -> Expected {
    drop(Reason::BadState).of("sendai")
}
