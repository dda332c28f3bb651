//! Nodes spread over network namespaces, and one more for a client: what bad networks are tried on.

use super::lab::Lab;
use super::net::{Net, Port, Segment, Space, Weather};
use super::node::{NodeOptions, Site};

const WIRE: Segment = Segment(0);

/// A lab whose nodes each have a namespace of their own. Fields are dropped in this order.
#[derive(Debug)]
pub struct Field {
    pub lab: Lab,
    pub net: Net,
    /// Where each node is plugged in.
    pub ports: Vec<Port>,
    /// The client's.
    pub client_port: Port,
    pub client: Space,
    _spaces: Vec<Space>,
}

impl Field {
    /// So many nodes that know one another; `None` where the machine allows no namespaces.
    pub fn new(nodes: u8) -> Option<Self> {
        let mut lab = Lab::empty();
        let net = Net::new(lab.bytes.seed())?;
        let (mut spaces, mut ports) = (Vec::new(), Vec::new());
        for number in 1..=nodes {
            let space = Space::new();
            ports.push(net.plug(&space, WIRE, &format!("10.0.0.{number}/24")));
            let listen = vec![format!("/ip4/10.0.0.{number}/tcp/4820")];
            let site = Site { space: space.path().to_owned(), listen, mdns: false };
            lab.add(NodeOptions { site: Some(site), ..NodeOptions::default() });
            spaces.push(space);
        }
        let client = Space::new();
        let client_port = net.plug(&client, WIRE, "10.0.0.100/24");
        lab.meet();
        Some(Self { lab, net, ports, client_port, client, _spaces: spaces })
    }

    /// What happens on the wire from node `number` to the client.
    pub fn to_client(&self, number: usize, weather: Weather) {
        self.net.set(self.ports[number], self.client_port, weather);
    }
}
